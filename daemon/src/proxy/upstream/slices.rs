//! Which addresses answer for a Service's port, by what the API's objects say. No client.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

/// The addresses behind `port` of `service`, in order, each once: those that are ready, and where none
/// is, those that serve all the same, as a Service's own traffic has it.
///
/// # Errors
/// Why there are none.
pub(super) fn addresses<'a>(
    name: &str,
    service: Option<&Service>,
    slices: impl Iterator<Item = &'a EndpointSlice> + Clone,
    port: u16,
) -> Result<Vec<SocketAddr>, String> {
    let service = service.ok_or_else(|| format!("there is no Service {name}"))?;
    let spec = service.spec.as_ref();
    let ports = || spec.and_then(|spec| spec.ports.as_ref()).into_iter().flatten();
    let Some(declared) = ports().find(|one| one.port == i32::from(port)) else {
        let known: Vec<_> = ports().map(|one| one.port.to_string()).collect();
        return Err(format!("the Service {name} has no port {port}; it has [{}]", known.join(", ")));
    };
    let mut found = of(slices.clone(), declared, is_ready);
    if found.is_empty() {
        found = of(slices, declared, is_serving);
    }
    // A cluster of two families has each pod twice.
    let families = spec.and_then(|spec| spec.ip_families.as_ref());
    if let Some(first) = families.and_then(|families| families.first()) {
        let fits = |address: &SocketAddr| address.is_ipv6() == (first == "IPv6");
        if found.iter().any(fits) {
            found.retain(fits);
        }
    }
    found.sort_unstable();
    found.dedup();
    if found.is_empty() { Err(format!("no endpoint of the Service {name} is ready")) } else { Ok(found) }
}

fn of<'a>(
    slices: impl Iterator<Item = &'a EndpointSlice>,
    port: &ServicePort,
    counts: fn(&Endpoint) -> bool,
) -> Vec<SocketAddr> {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let mut found = Vec::new();
    for slice in slices {
        let number = slice.ports.iter().flatten().find(|one| name(&one.name) == name(&port.name));
        let Some(number) = number.and_then(|one| one.port).and_then(|port| u16::try_from(port).ok()) else {
            continue;
        };
        let endpoints = slice.endpoints.iter().flatten().filter(|endpoint| counts(endpoint));
        // Kubernetes allows several addresses and means the first.
        let ips = endpoints.filter_map(|endpoint| endpoint.addresses.first()?.parse::<IpAddr>().ok());
        found.extend(ips.map(|ip| SocketAddr::new(ip, number)));
    }
    found
}

/// What says nothing is ready.
fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
}

fn is_serving(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.serving).unwrap_or(false)
}

#[cfg(test)]
mod tests;
