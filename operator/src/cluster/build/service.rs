//! The two Services: clients' and the ring's.

use std::collections::BTreeSet;

use crds::cluster::ServiceType;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::core::ObjectMeta;

use super::{super::validate::ValidatedCluster, metadata, pod};
use crate::names::{GRPC_PORT, HTTP_PORT, LISTENER_PORT, PEERS_PORT};

/// What clients talk to: the limits' ports, and a port for the listener of each policy.
pub(super) fn clients(cluster: &ValidatedCluster, listeners: &BTreeSet<i32>) -> Service {
    let wanted = &cluster.service;
    let mut ports = vec![port(GRPC_PORT, wanted.grpc_port), port(HTTP_PORT, wanted.http_port)];
    ports.extend(listeners.iter().map(|number| listener(*number)));
    let annotations = (!wanted.annotations.is_empty()).then(|| wanted.annotations.clone());
    Service {
        metadata: ObjectMeta { annotations, ..metadata(cluster, cluster.name.as_str()) },
        spec: Some(ServiceSpec {
            type_: Some(service_type(wanted.type_).to_owned()),
            selector: Some(cluster.name.selector_labels()),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// What the pods find each other by. It has the pods that are not ready, too: whether a pod serves is
/// a condition of its endpoint, and one that drains is still asked for what it owns.
pub(super) fn peers(cluster: &ValidatedCluster) -> Service {
    Service {
        metadata: metadata(cluster, cluster.name.peers_service()),
        spec: Some(ServiceSpec {
            type_: Some(service_type(ServiceType::ClusterIP).to_owned()),
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(cluster.name.selector_labels()),
            ports: Some(vec![port(PEERS_PORT, pod::PEERS)]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// A port of the Service that leads to the container's port of the same name.
fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(name.to_owned())),
        ..ServicePort::default()
    }
}

/// A port that leads to the same number on the pods, which their template does not name.
fn listener(number: i32) -> ServicePort {
    ServicePort {
        target_port: Some(IntOrString::Int(number)),
        ..port(&format!("{LISTENER_PORT}{number}"), number)
    }
}

const fn service_type(type_: ServiceType) -> &'static str {
    match type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    }
}
