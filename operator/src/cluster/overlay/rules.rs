//! What an overlay may not touch, each with the way that there is instead.

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use kube::core::ObjectMeta;

use super::{
    super::{
        build::{environment::RESERVED, pod},
        validate::{DrainTimes, Findings},
    },
    FIELD,
};
use crate::names::{
    COMPONENT_LABEL, DAEMON_CONTAINER, GRPC_PORT, HTTP_PORT, INSTANCE_LABEL, NAME_LABEL, PEERS_PORT,
};

pub(super) fn check(template: &PodTemplateSpec, drain: DrainTimes, findings: &mut Findings) {
    if let Some(metadata) = &template.metadata {
        check_metadata(metadata, findings);
    }
    let Some(spec) = &template.spec else { return };
    check_pod(spec, drain, findings);
    for (index, container) in spec.containers.iter().enumerate() {
        let field = format!("{FIELD}.spec.containers[{index}]");
        if container.name.is_empty() {
            let remedy = "containers are told apart by their names; the daemon's is daemon";
            findings.refuse(format!("{field}.name"), "", remedy);
        }
        if container.name == DAEMON_CONTAINER {
            check_daemon(container, &field, findings);
        }
    }
}

fn check_metadata(metadata: &ObjectMeta, findings: &mut Findings) {
    for key in [NAME_LABEL, INSTANCE_LABEL, COMPONENT_LABEL] {
        if let Some(value) = metadata.labels.as_ref().and_then(|labels| labels.get(key)) {
            let remedy = "the cluster finds its pods by this label: leave it out";
            findings.refuse(format!("{FIELD}.metadata.labels[{key:?}]"), value, remedy);
        }
    }
    let named = [("name", &metadata.name), ("namespace", &metadata.namespace)];
    for (field, value) in named {
        if let Some(value) = value {
            let remedy = "pods have theirs from the cluster: only labels and annotations count here";
            findings.refuse(format!("{FIELD}.metadata.{field}"), value, remedy);
        }
    }
}

fn check_pod(spec: &PodSpec, drain: DrainTimes, findings: &mut Findings) {
    let field = |name: &str| format!("{FIELD}.spec.{name}");
    if let Some(grace) = spec.termination_grace_period_seconds
        && grace < drain.grace_seconds()
    {
        let remedy = format!(
            "a pod drains for up to {} s (spec.drain.delay, spec.drain.timeout, and 5 s to end): at least that, or leave it out",
            drain.grace_seconds()
        );
        findings.refuse(field("terminationGracePeriodSeconds"), grace, remedy);
    }
    if let Some(policy) = spec.restart_policy.as_deref()
        && policy != "Always"
    {
        findings.refuse(field("restartPolicy"), policy, "pods of a StatefulSet have Always: leave it out");
    }
    if let Some(account) = &spec.service_account {
        findings.refuse(field("serviceAccount"), account, "an old name: write serviceAccountName");
    }
    if spec.volumes.iter().flatten().any(|volume| volume.name == pod::DOCUMENT_VOLUME) {
        let remedy = "the volume of that name has the limits: choose another name";
        findings.refuse(field("volumes[].name"), pod::DOCUMENT_VOLUME, remedy);
    }
    if spec.host_network == Some(true) {
        let remedy = "NetworkPolicies do not hold on the node's network: whoever reaches a node's port 1052 can change every count";
        findings.warn(field("hostNetwork"), true, remedy);
    }
}

fn check_daemon(daemon: &Container, field: &str, findings: &mut Findings) {
    if let Some(image) = &daemon.image {
        findings.refuse(format!("{field}.image"), image, "the spec has a field for it: set spec.image");
    }
    if let Some(policy) = &daemon.image_pull_policy {
        let remedy = "the spec has a field for it: set spec.image.pullPolicy";
        findings.refuse(format!("{field}.imagePullPolicy"), policy, remedy);
    }
    for (index, variable) in daemon.env.iter().flatten().enumerate() {
        let Some((_, way)) = RESERVED.iter().find(|(name, _)| *name == variable.name) else { continue };
        let remedy = match way {
            Some(way) => format!("the operator sets this variable: set {way} instead"),
            None => "the operator sets this variable: leave it out".to_owned(),
        };
        findings.refuse(format!("{field}.env[{index}].name"), &variable.name, remedy);
    }
    for (index, port) in daemon.ports.iter().flatten().enumerate() {
        let name = port.name.as_deref().unwrap_or_default();
        let ours = [pod::HTTP, pod::GRPC, pod::PEERS].contains(&port.container_port)
            || [HTTP_PORT, GRPC_PORT, PEERS_PORT].contains(&name);
        if ours {
            let remedy =
                "the daemon has the ports http 1050, grpc 1051 and peers 1052: take another number and name";
            let value = format!("{name} {}", port.container_port);
            findings.refuse(format!("{field}.ports[{index}]"), value.trim(), remedy);
        }
    }
    if daemon.volume_mounts.iter().flatten().any(|mount| mount.mount_path == pod::DOCUMENT_DIR) {
        let remedy = "the limits are mounted there: choose another path";
        findings.refuse(format!("{field}.volumeMounts[].mountPath"), pod::DOCUMENT_DIR, remedy);
    }
}
