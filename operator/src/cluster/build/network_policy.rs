//! Who may reach which port of a pod.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::{
        core::v1::PodTemplateSpec,
        networking::v1::{
            NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
        },
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{super::validate::ValidatedCluster, metadata, pod, selector};

/// Lets pods of the cluster alone in at the peers' port, and everybody in at each policy's listener and at
/// each other port that the pod template declares: a container that an overlay adds has its ports there for
/// others.
pub(super) fn policy(
    cluster: &ValidatedCluster,
    template: &PodTemplateSpec,
    listeners: &BTreeSet<i32>,
) -> NetworkPolicy {
    let peer = NetworkPolicyPeer { pod_selector: Some(selector(cluster)), ..NetworkPolicyPeer::default() };
    let rules = vec![
        NetworkPolicyIngressRule { from: None, ports: Some(open_ports(template, listeners)) },
        NetworkPolicyIngressRule { from: Some(vec![peer]), ports: Some(vec![port("TCP", pod::PEERS)]) },
    ];
    NetworkPolicy {
        metadata: metadata(cluster, cluster.name.as_str()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(cluster)),
            // Ingress alone: whom a pod may call is the business of its namespace.
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(rules),
            egress: None,
        }),
    }
}

fn open_ports(template: &PodTemplateSpec, listeners: &BTreeSet<i32>) -> Vec<NetworkPolicyPort> {
    let spec = template.spec.iter();
    let containers =
        spec.flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    let mut open: BTreeSet<(i32, &str)> = containers
        .flat_map(|container| container.ports.iter().flatten())
        .filter(|port| port.container_port != pod::PEERS)
        .map(|port| (port.container_port, port.protocol.as_deref().unwrap_or("TCP")))
        .collect();
    open.extend(listeners.iter().filter(|number| **number != pod::PEERS).map(|number| (*number, "TCP")));
    open.into_iter().map(|(number, protocol)| port(protocol, number)).collect()
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(protocol.to_owned()),
        end_port: None,
    }
}
