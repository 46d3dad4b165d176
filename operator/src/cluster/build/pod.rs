//! The pod template: one container that may do nothing but its work.

use std::collections::BTreeMap;

use crds::{
    cluster::PullPolicy,
    part::{MAX_PARTS, PARTS_KEY, REVISION_KEY, TEXT_KEY},
};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapProjection, Container, ContainerPort, HTTPGetAction, KeyToPath,
        LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource,
        SeccompProfile, SecurityContext, TopologySpreadConstraint, Volume, VolumeMount, VolumeProjection,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::core::ObjectMeta;

use super::{
    super::{overlay, validate::ValidatedCluster},
    environment, selector, sizing,
};
use crate::names::{DAEMON_CONTAINER, GRPC_PORT, HTTP_PORT, PEERS_PORT};

/// The container's port of the HTTP gateway, metrics and probes.
pub(in crate::cluster) const HTTP: i32 = 1050;
/// The container's port of gRPC clients.
pub(in crate::cluster) const GRPC: i32 = 1051;
/// The container's port of other pods.
pub(in crate::cluster) const PEERS: i32 = 1052;
/// The volume that has the document.
pub(in crate::cluster) const DOCUMENT_VOLUME: &str = "document";
/// Where the document is mounted.
pub(in crate::cluster) const DOCUMENT_DIR: &str = "/etc/wicketgate/document";

/// The user and group that the images are made for.
const NOBODY: i64 = 65_532;

/// The template, with the cluster's overlay on it.
pub(super) fn template(cluster: &ValidatedCluster) -> PodTemplateSpec {
    let mut template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(cluster.name.labels()),
            annotations: Some(BTreeMap::from([(
                "kubectl.kubernetes.io/default-container".to_owned(),
                DAEMON_CONTAINER.to_owned(),
            )])),
            ..ObjectMeta::default()
        }),
        spec: Some(spec(cluster)),
    };
    overlay::lay(&mut template, &cluster.overlay);
    template
}

fn spec(cluster: &ValidatedCluster) -> PodSpec {
    let secrets = cluster.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() });
    PodSpec {
        containers: vec![container(cluster)],
        volumes: Some(vec![document(cluster)]),
        service_account_name: Some(cluster.name.to_string()),
        // The daemon watches its document and its peers.
        automount_service_account_token: Some(true),
        image_pull_secrets: (!cluster.pull_secrets.is_empty()).then(|| secrets.collect()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        topology_spread_constraints: Some(vec![
            spread(cluster, "topology.kubernetes.io/zone"),
            spread(cluster, "kubernetes.io/hostname"),
        ]),
        // A variable for each Service of the namespace would make every pod another.
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(cluster.drain.grace_seconds()),
        ..PodSpec::default()
    }
}

fn container(cluster: &ValidatedCluster) -> Container {
    Container {
        name: DAEMON_CONTAINER.to_owned(),
        image: Some(cluster.image.to_string()),
        image_pull_policy: Some(pull_policy(cluster.pull_policy).to_owned()),
        args: Some(vec!["serve".to_owned()]),
        env: Some(environment::environment(cluster)),
        ports: Some(vec![port(HTTP_PORT, HTTP), port(GRPC_PORT, GRPC), port(PEERS_PORT, PEERS)]),
        resources: Some(sizing::resources(cluster.settings.capacity)),
        // Half a minute for a slow node. Not /readyz: a pod that waits for its first document is
        // well, and a restart would not bring it.
        startup_probe: Some(probe("/livez", 1, 1, 30)),
        readiness_probe: Some(probe("/readyz", 1, 1, 3)),
        // A minute of silence: a restart costs all counts, and a busy pod may be slow to answer.
        liveness_probe: Some(probe("/livez", 10, 5, 6)),
        volume_mounts: Some(vec![VolumeMount {
            name: DOCUMENT_VOLUME.to_owned(),
            mount_path: DOCUMENT_DIR.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }]),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

/// All parts that a document may ever have, each in a folder of its own; those that are not there are
/// left out. So the template stays as it is while the document grows.
fn document(cluster: &ValidatedCluster) -> Volume {
    let file = |index: usize, key: &str| KeyToPath {
        key: key.to_owned(),
        path: format!("{index}/{key}"),
        ..KeyToPath::default()
    };
    let sources = (0..MAX_PARTS).map(|index| VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: cluster.name.document_part(index),
            optional: Some(true),
            items: Some([TEXT_KEY, REVISION_KEY, PARTS_KEY].map(|key| file(index, key)).to_vec()),
        }),
        ..VolumeProjection::default()
    });
    Volume {
        name: DOCUMENT_VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources.collect()),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Spreads the pods of each revision by themselves, or a roll-out would leave them lopsided. Where
/// there is no room, a pod that runs beside others is better than one that waits.
fn spread(cluster: &ValidatedCluster, topology_key: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology_key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(selector(cluster)),
        match_label_keys: Some(vec!["controller-revision-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// Asks every `period` seconds, waits `timeout` seconds, and believes `failures` in a row.
fn probe(path: &str, period: i32, timeout: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(HTTP_PORT.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(timeout),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

const fn pull_policy(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::Always => "Always",
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    }
}
