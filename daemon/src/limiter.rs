//! The front desk: splits a batch, joins each item with the limit that is declared for its name,
//! routes it, and puts the answers back in order.

mod forward;
mod home;
mod local;
mod tally;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use crate::clock;
use crate::limits::Joined;
use crate::node::Node;
use crate::peers::{Member, PeerSet};
use crate::wire::{self, Item, MAX_ITEMS};
use engine::Behavior;
use forward::Forwards;
use local::Desk;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// A client: an item goes to its owner.
    Clients,
    /// Another node, which takes us for the owner: an item is decided here, whatever our own map
    /// says, so that two nodes that disagree cannot send it round and round.
    Peers,
}

/// An answer: an encoded GetRateLimitsResp or GetPeerRateLimitsResp behind `prefix` free bytes.
pub enum Decided {
    /// All items were ours.
    Now(Result<Vec<u8>, Status>),
    /// Other nodes are being asked.
    Later(Pin<Box<dyn Future<Output = Result<Vec<u8>, Status>> + Send>>),
}

impl std::fmt::Debug for Decided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Now(answer) => f.debug_tuple("Now").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Decides one encoded GetRateLimitsReq or GetPeerRateLimitsReq.
///
/// Items are decided in their order, so that one key may come several times. Nothing is decided of a
/// message that is malformed or too long.
#[must_use]
pub fn decide(
    node: &Arc<Node>,
    service: Service,
    message: &[u8],
    timeout: Option<Duration>,
    prefix: usize,
) -> Decided {
    let items = match read(node, service, message) {
        Ok(items) => items,
        Err(status) => return Decided::Now(Err(status)),
    };
    let ring = node.ring();
    let limits = node.limits();
    let mut desk = Desk::new(node, service, &limits, clock::now(), prefix, items.len());
    let mut forwards = Forwards::default();
    for item in &items {
        match service {
            Service::Peers => desk.decide(item, &[]),
            Service::Clients => route(&mut desk, &mut forwards, &ring, item),
        }
    }
    let answers = desk.finish();
    if forwards.is_empty() {
        return Decided::Now(Ok(answers));
    }
    let node = Arc::clone(node);
    Decided::Later(Box::pin(async move { Ok(forwards.gather(&node, answers, timeout).await) }))
}

fn read<'a>(node: &Node, service: Service, message: &'a [u8]) -> Result<Vec<Item<'a>>, Status> {
    let malformed = |error| Status::internal(format!("grpc: error unmarshalling request: {error}"));
    let items = wire::items(message, MAX_ITEMS).map_err(malformed)?;
    if items.len() > MAX_ITEMS {
        node.metrics().errors.request_too_large.inc();
        return Err(Status::out_of_range(match service {
            Service::Clients => "Requests.RateLimits list too large; max size is '1000'",
            Service::Peers => "'PeerRequest.rate_limits' list too large; max size is '1000'",
        }));
    }
    Ok(items)
}

/// Decides an item here or notes whom to ask.
fn route(desk: &mut Desk<'_>, forwards: &mut Forwards, ring: &PeerSet, item: &Item<'_>) {
    let request = &item.request;
    if let Err(error) = request.check_key() {
        return desk.refuse(request, error);
    }
    match ring.owner(request.name, request.unique_key) {
        Some(Member::Own) => desk.decide(item, &[]),
        Some(Member::Other(peer)) => {
            // What the declaration says of travelling counts as much as what the request says.
            let mut joined = *request;
            let behavior = match desk.limits().join(&mut joined) {
                Ok(Joined::Counted(_)) => joined.behavior,
                // Without a count there is no owner to ask.
                Ok(Joined::Unlimited) | Err(_) => return desk.decide(item, &[]),
            };
            let alone = desk.node().batches_never() || behavior.contains(Behavior::NO_BATCHING);
            forwards.add(peer, alone, item, desk.now(), desk.written());
        }
        // Nothing is known of the others yet: being limited here alone is better than an error.
        None => desk.decide(item, &[]),
    }
}
