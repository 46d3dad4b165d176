//! Numbers and durations, held to what the API server and the daemons take.

use std::fmt;

use crds::{cluster::RateLimitClusterSpec, duration::GoDuration};

use super::problem::Findings;

const NONE: GoDuration = GoDuration::ZERO;
const MILLI: GoDuration = GoDuration::from_millis(1);
const SECOND: GoDuration = GoDuration::from_secs(1);
const MINUTE: GoDuration = GoDuration::from_secs(60);
const HOUR: GoDuration = GoDuration::from_secs(3_600);
const DAY: GoDuration = GoDuration::from_secs(86_400);

/// Whole numbers first, then durations, then what two fields must have in common.
pub(super) fn check(spec: &RateLimitClusterSpec, findings: &mut Findings) {
    let mut number = |field: &str, value: i64, min: i64, max: i64| within(findings, field, value, min, max);
    number("spec.replicas", spec.replicas.into(), 0, 1_000);
    if let Some(autoscaling) = &spec.autoscaling {
        let (min, max) = (autoscaling.min_replicas.into(), autoscaling.max_replicas.into());
        number("spec.autoscaling.minReplicas", min, 1, 1_000);
        number("spec.autoscaling.maxReplicas", max, min.max(1), 1_000);
        let target = autoscaling.target_cpu_utilization_percentage.into();
        number("spec.autoscaling.targetCPUUtilizationPercentage", target, 1, 100);
    }
    number("spec.capacity", spec.capacity, 1_000, 1_000_000_000);
    number("spec.batching.limit", spec.batching.limit.into(), 1, 1_000);
    number("spec.global.batchLimit", spec.global.batch_limit.into(), 1, 1_000);
    number("spec.service.grpcPort", spec.service.grpc_port.into(), 1, 65_535);
    number("spec.service.httpPort", spec.service.http_port.into(), 1, 65_535);
    number("spec.disruption.maxUnavailable", spec.disruption.max_unavailable.into(), 1, 1_000);

    // The daemons refuse to start with others: daemon/src/settings/table.
    let mut time = |field: &str, value, min, max| within(findings, field, value, min, max);
    time("spec.maxClockSkew", spec.max_clock_skew, NONE, DAY);
    time("spec.batching.wait", spec.batching.wait, NONE, MINUTE);
    time("spec.batching.timeout", spec.batching.timeout, MILLI, HOUR);
    time("spec.global.syncWait", spec.global.sync_wait, MILLI, HOUR);
    time("spec.global.timeout", spec.global.timeout, MILLI, HOUR);
    time("spec.drain.delay", spec.drain.delay, NONE, HOUR);
    time("spec.drain.timeout", spec.drain.timeout, NONE, HOUR);
    if spec.service_monitor.enabled {
        time("spec.serviceMonitor.interval", spec.service_monitor.interval, SECOND, DAY);
    }

    if spec.service.grpc_port == spec.service.http_port {
        let remedy = "spec.service.httpPort is the same: one Service has a port once, choose two";
        findings.refuse("spec.service.grpcPort", spec.service.grpc_port, remedy);
    }
    if jiff::tz::TimeZone::get(&spec.time_zone).is_err() {
        let remedy = "the IANA database has no such time zone; write one such as UTC or Europe/Berlin";
        findings.refuse("spec.timeZone", &spec.time_zone, remedy);
    }
}

fn within<T: Copy + PartialOrd + fmt::Display>(
    findings: &mut Findings,
    field: &str,
    value: T,
    min: T,
    max: T,
) {
    if value < min || value > max {
        findings.refuse(field, value, format!("it must be from {min} to {max}"));
    }
}
