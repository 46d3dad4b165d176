//! Which addresses are nodes of the ring, by what the API's objects say. No client.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

/// The nodes that a Service's slices name, in order, each once.
///
/// An endpoint counts that serves and is not on its way out. That it is ready says nothing: a Service
/// that publishes addresses which are not ready, as ours must, calls them ready all the same.
pub(super) fn of_slices<'a>(slices: impl IntoIterator<Item = &'a EndpointSlice>, own: IpAddr) -> Vec<IpAddr> {
    let mut nodes = Nodes::new(own);
    for slice in slices {
        for endpoint in slice.endpoints.iter().flatten().filter(|endpoint| serves(endpoint)) {
            // Kubernetes allows several and means the first.
            let Some(ip) = endpoint.addresses.first().and_then(|text| text.parse().ok()) else { continue };
            let target = endpoint.target_ref.as_ref();
            nodes.add(target.and_then(|target| target.uid.as_deref().or(target.name.as_deref())), ip);
        }
    }
    nodes.into_ips()
}

fn serves(endpoint: &Endpoint) -> bool {
    let Some(conditions) = &endpoint.conditions else { return true };
    let serving = conditions.serving.or(conditions.ready).unwrap_or(true);
    serving && !conditions.terminating.unwrap_or(false)
}

/// The nodes among `pods`, in order, each once: those that are ready and not on their way out.
pub(super) fn of_pods<'a>(pods: impl IntoIterator<Item = &'a Pod>, own: IpAddr) -> Vec<IpAddr> {
    let mut nodes = Nodes::new(own);
    for pod in pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let Some(status) = &pod.status else { continue };
        let ready = |condition: &k8s_openapi::api::core::v1::PodCondition| {
            condition.type_ == "Ready" && condition.status == "True"
        };
        if !status.conditions.iter().flatten().any(ready) {
            continue;
        }
        let all = status.pod_ips.iter().flatten().map(|ip| ip.ip.as_str());
        for ip in all.chain(status.pod_ip.as_deref()).filter_map(|text| text.parse().ok()) {
            nodes.add(pod.metadata.uid.as_deref().or(pod.metadata.name.as_deref()), ip);
        }
    }
    nodes.into_ips()
}

/// One address for each pod. Where a cluster has two families of addresses, a pod has one of each; the
/// node's own family is that by which all pods of the cluster know themselves, so it is taken.
struct Nodes {
    own: IpAddr,
    by_pod: BTreeMap<String, IpAddr>,
}

impl Nodes {
    const fn new(own: IpAddr) -> Self {
        Self { own, by_pod: BTreeMap::new() }
    }

    /// Adds an address of `pod`; an endpoint that belongs to none is known by its address.
    fn add(&mut self, pod: Option<&str>, ip: IpAddr) {
        let pod = pod.map_or_else(|| ip.to_string(), ToOwned::to_owned);
        let own = self.own;
        // The rank, and the address itself, so that the order in which slices come decides nothing.
        let rank = |ip: IpAddr| (ip != own, ip.is_ipv4() != own.is_ipv4(), ip);
        let known = self.by_pod.entry(pod).or_insert(ip);
        if rank(ip) < rank(*known) {
            *known = ip;
        }
    }

    fn into_ips(self) -> Vec<IpAddr> {
        let mut ips: Vec<_> = self.by_pod.into_values().collect();
        ips.sort_unstable();
        ips.dedup();
        ips
    }
}

#[cfg(test)]
mod tests;
