//! Rings of several nodes: in one process, or in one process each.

use std::net::SocketAddr;

use e2e::daemon::Daemon;
use e2e::grpc::Client;
use e2e::launch::Launch;
use e2e::ports;
use proto::gubernator::{RateLimitReq, RateLimitResp};

use crate::manifests::Manifests;

/// A ring in one process.
pub(crate) struct Ring {
    pub(crate) daemon: Daemon,
    pub(crate) clients: Vec<Client>,
    pub(crate) manifests: Manifests,
}

impl Ring {
    /// A ring of `replicas` nodes on which nothing is declared.
    pub(crate) async fn of(replicas: usize) -> Self {
        Self::on(Manifests::cluster(replicas, &[], &[]), replicas).await
    }

    /// A ring of `replicas` nodes on these manifests, which say the same number.
    pub(crate) async fn on(manifests: Manifests, replicas: usize) -> Self {
        let daemon = manifests.standalone(replicas).start().await;
        let mut clients = Vec::new();
        for node in daemon.nodes() {
            clients.push(node.client().await);
        }
        Self { daemon, clients, manifests }
    }

    /// Asks the node that has this turn, so that a sequence goes round the ring.
    pub(crate) async fn ask(&self, turn: usize, request: RateLimitReq) -> RateLimitResp {
        self.clients[turn % self.clients.len()].hit_one(request).await
    }
}

/// One process of a ring, with the name under which the ring knows it.
pub(crate) struct Member {
    pub(crate) daemon: Daemon,
    pub(crate) client: Client,
    pub(crate) advertised: SocketAddr,
}

/// A ring of `N` processes that know each other by a fixed list, each with `settings` beside.
pub(crate) async fn processes<const N: usize>(settings: &[(&str, &str)]) -> Vec<Member> {
    let addresses: [SocketAddr; N] = ports::free();
    let listeners: [SocketAddr; N] = ports::free();
    let list: Vec<_> =
        addresses.iter().zip(&listeners).map(|(name, peer)| format!("{name}@{peer}")).collect();
    let list = list.join(",");
    let mut members = Vec::new();
    for (advertised, listener) in addresses.into_iter().zip(listeners) {
        let mut launch = Launch::serve()
            .env("GUBER_GRPC_ADDRESS", advertised.to_string())
            .env("GUBER_ADVERTISE_ADDRESS", advertised.to_string())
            .env("WICKETGATE_PEER_ADDRESS", listener.to_string())
            .env("WICKETGATE_PEERS", &list);
        for (name, value) in settings {
            launch = launch.env(name, value);
        }
        let daemon = launch.start().await;
        let client = daemon.node().client().await;
        members.push(Member { daemon, client, advertised });
    }
    members
}
