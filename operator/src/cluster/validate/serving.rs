//! What this version serves, and what a cluster asks for beyond that.

use crds::{cluster::RateLimitClusterSpec, reference::TlsMode};

use super::{Environment, problem::Findings};

/// Refuses what would be believed and is not there; tells of what is merely missing.
pub(super) fn check(spec: &RateLimitClusterSpec, environment: &Environment, findings: &mut Findings) {
    tls(spec, findings);
    tell_of_outages(spec, findings);
    if !spec.tracing.endpoint.is_empty() {
        let remedy = "this version sends no traces";
        findings.warn("spec.tracing.endpoint", &spec.tracing.endpoint, remedy);
    }
    if spec.service_monitor.enabled && !environment.service_monitor {
        let remedy = "this Kubernetes has no ServiceMonitor, so there is none until the Prometheus operator's definitions are installed";
        findings.warn("spec.serviceMonitor.enabled", true, remedy);
    }
}

fn tls(spec: &RateLimitClusterSpec, findings: &mut Findings) {
    let clients = spec.tls.clients.mode;
    if clients != TlsMode::Disabled {
        let remedy =
            "TLS towards clients is not available in this version; set spec.tls.clients.mode: Disabled";
        findings.refuse("spec.tls.clients.mode", word(clients), remedy);
    }
    match spec.tls.peers.mode {
        TlsMode::Disabled => {}
        TlsMode::Managed => {
            let remedy = "peers speak without TLS in this version; the NetworkPolicy keeps others out";
            findings.warn("spec.tls.peers.mode", word(TlsMode::Managed), remedy);
        }
        TlsMode::SecretRef => {
            let remedy =
                "TLS between peers is not available in this version; set spec.tls.peers.mode: Disabled";
            findings.refuse("spec.tls.peers.mode", word(TlsMode::SecretRef), remedy);
        }
    }
}

/// Settings with which a roll-out cannot go unnoticed by callers.
fn tell_of_outages(spec: &RateLimitClusterSpec, findings: &mut Findings) {
    let fewest = spec.autoscaling.as_ref().map_or(spec.replicas, |autoscaling| autoscaling.min_replicas);
    let away = spec.disruption.max_unavailable;
    if fewest > 0 && away >= fewest {
        let remedy = format!(
            "there may be no more than {fewest}, so that a roll-out or an eviction can take them all away at once: have more of them, or let fewer go"
        );
        findings.warn("spec.disruption.maxUnavailable", away, remedy);
    }
    if spec.drain.delay.is_zero() {
        let remedy = "a pod that leaves refuses connections before all routes know that it is gone: set 3s";
        findings.warn("spec.drain.delay", spec.drain.delay, remedy);
    }
}

const fn word(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Disabled => "Disabled",
        TlsMode::Managed => "Managed",
        TlsMode::SecretRef => "SecretRef",
    }
}
