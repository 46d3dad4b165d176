//! The node's name on the ring, and what to do where none is given.

use std::{
    fs,
    net::{IpAddr, ToSocketAddrs},
};

use super::{Discovery, problem::Problem, reader::Reader, value::Address};

const NAME: &str = "GUBER_ADVERTISE_ADDRESS";

/// The advertise address: as given, else the gRPC address; where its host means every interface, the
/// machine's own first address takes its place, since nobody can dial "every interface".
pub(super) fn read(reader: &mut Reader, grpc: Option<&Address>, discovery: &Discovery) -> Option<Address> {
    let given = reader.address(NAME);
    let wrong = given.is_none() && reader.written(NAME).is_some();
    if let Discovery::Kubernetes(kubernetes) = discovery {
        let own = kubernetes.own();
        if given.is_some_and(|given| given != own) {
            reader.warn(format!(
                "{NAME} has no effect with k8s: a pod is known by its address and port ({own})"
            ));
        }
        return Some(own);
    }
    let address = if wrong { return None } else { given.or_else(|| grpc.cloned())? };
    let address = if address.is_unspecified() { with_own_host(reader, &address, discovery) } else { address };
    if let Discovery::Static(peers) = discovery
        && !peers.is_empty()
    {
        let own = peers.iter().any(|peer| peer.advertise == address);
        if address.port() == 0 {
            reader.problems.push(Problem::Together(format!(
                "{NAME} is {address}, whose port the system chooses, so that no peer can know it; give it a port"
            )));
        } else if !own {
            reader.warn(format!(
                "WICKETGATE_PEERS does not name this node ({address}): it owns no key and its HealthCheck fails; \
                 add {address} to the list, or set {NAME} to this node's name in it"
            ));
        }
    }
    Some(address)
}

fn with_own_host(reader: &mut Reader, address: &Address, discovery: &Discovery) -> Address {
    if let Some(own) = own_address() {
        return Address::new(&own.to_string(), address.port());
    }
    let fallback = Address::new("127.0.0.1", address.port());
    let text = format!("the machine's host name has no address, so {NAME} cannot be derived from {address}");
    if *discovery == Discovery::None {
        reader.warn(format!("{text}; {fallback} is used, which does for a cluster of one"));
    } else {
        reader.problems.push(Problem::Together(format!("{text}; set it to this node's host:port")));
    }
    fallback
}

/// The first address of the machine's own host name, as the resolver gives it.
fn own_address() -> Option<IpAddr> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| fs::read_to_string("/etc/hostname"))
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())?;
    (name.trim(), 0).to_socket_addrs().ok()?.next().map(|address| address.ip())
}
