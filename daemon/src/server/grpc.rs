//! The gRPC door: which method is asked, and by whom it is answered.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::gubernator::{LiveCheckResp, UpdatePeerGlobalsResp};
use tonic::Status;
use tonic::service::Routes;

use super::call::{PREFIX, frame};
use super::observe::{self, InFlight};
use crate::clock;
use crate::limiter::{self, Decided, Service};
use crate::node::Node;

/// The methods of `pb.gubernator` that we answer ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// V1: decide a batch for a client.
    GetRateLimits,
    /// V1: how the node and its peers are.
    HealthCheck,
    /// V1: whether the node serves.
    LiveCheck,
    /// PeersV1: decide a batch for another node, as the owner.
    GetPeerRateLimits,
    /// PeersV1: an owner's state, for those who answer from a copy.
    UpdatePeerGlobals,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::GetRateLimits,
        Self::HealthCheck,
        Self::LiveCheck,
        Self::GetPeerRateLimits,
        Self::UpdatePeerGlobals,
    ];

    /// The path on the wire, which is also the metric's label.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::GetRateLimits => "/pb.gubernator.V1/GetRateLimits",
            Self::HealthCheck => "/pb.gubernator.V1/HealthCheck",
            Self::LiveCheck => "/pb.gubernator.V1/LiveCheck",
            Self::GetPeerRateLimits => "/pb.gubernator.PeersV1/GetPeerRateLimits",
            Self::UpdatePeerGlobals => "/pb.gubernator.PeersV1/UpdatePeerGlobals",
        }
    }

    const fn is_for_peers(self) -> bool {
        matches!(self, Self::GetPeerRateLimits | Self::UpdatePeerGlobals)
    }
}

/// What a listener lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serves {
    /// V1, for clients.
    pub clients: bool,
    /// PeersV1, for the other nodes of the ring.
    pub peers: bool,
}

/// One listener's way to its node.
#[derive(Debug)]
pub struct Door {
    node: Arc<Node>,
    serves: Serves,
    routes: Routes,
}

/// An answer, framed.
pub(crate) enum Answer {
    /// Here it is.
    Now(Result<Bytes, Status>),
    /// Somebody else has to be asked.
    Later(Pin<Box<dyn Future<Output = Result<Bytes, Status>> + Send>>),
}

impl Door {
    /// A door to `node`; `routes` answers what is not `pb.gubernator`.
    #[must_use]
    pub const fn new(node: Arc<Node>, serves: Serves, routes: Routes) -> Self {
        Self { node, serves, routes }
    }

    /// The method behind a path, if this listener serves it.
    pub(crate) fn method(&self, path: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| {
            let served = if method.is_for_peers() { self.serves.peers } else { self.serves.clients };
            served && method.path() == path
        })
    }

    pub(crate) fn routes(&self) -> Routes {
        self.routes.clone()
    }

    /// Answers one call.
    pub(crate) fn answer(&self, method: Method, message: Bytes, timeout: Option<Duration>) -> Answer {
        let started = clock::tick();
        let answer = match method {
            Method::GetRateLimits => self.decide(Service::Clients, &message, timeout),
            Method::GetPeerRateLimits => self.decide(Service::Peers, &message, timeout),
            Method::HealthCheck => Answer::Now(self.node.health_check().map(|health| encode(&health))),
            Method::LiveCheck => Answer::Now(self.node.live_check().map(|()| encode(&LiveCheckResp {}))),
            Method::UpdatePeerGlobals => {
                let updated = self.node.update_peer_globals(message);
                Answer::Now(updated.map(|()| encode(&UpdatePeerGlobalsResp {})))
            }
        };
        match answer {
            Answer::Now(answer) => {
                observe::done(&self.node, method, started, answer.is_ok());
                Answer::Now(answer)
            }
            Answer::Later(answer) => {
                let watched = InFlight::new(&self.node, method, started).watch(answer);
                Answer::Later(Box::pin(watched))
            }
        }
    }

    fn decide(&self, service: Service, message: &[u8], timeout: Option<Duration>) -> Answer {
        match limiter::decide(&self.node, service, message, timeout, PREFIX) {
            Decided::Now(answer) => Answer::Now(answer.map(frame)),
            Decided::Later(answer) => Answer::Later(Box::pin(async move { answer.await.map(frame) })),
        }
    }
}

fn encode(message: &impl prost::Message) -> Bytes {
    let mut framed = vec![0; PREFIX];
    // A Vec always has room.
    message.encode(&mut framed).ok();
    frame(framed)
}
