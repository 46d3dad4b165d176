//! The front desk: splits a batch, joins each item with the limit that is declared for its name,
//! routes it, and puts the answers back in order.

mod forward;
mod home;
mod local;
mod tally;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engine::{Behavior, HitError};
use tonic::Status;

use crate::clock;
use crate::limits::Joined;
use crate::node::Node;
use crate::peers::{Member, Peer, PeerSet};
use crate::wire::{self, Item, MAX_ITEMS};
use forward::Forwards;
use local::{Desk, Judged};

/// Items from which on a batch is decided shard by shard; for fewer, sorting costs more than it saves.
const GROUPED: usize = 32;

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
    let place = |item| match service {
        Service::Peers => Place::Own,
        Service::Clients => place(&ring, item),
    };
    if items.len() < GROUPED {
        for item in &items {
            settle(&mut desk, &mut forwards, item, place(item), None);
        }
    } else {
        let places: Vec<_> = items.iter().map(place).collect();
        let mut judged = judge_by_shard(node, &mut desk, &items, &places);
        for ((item, place), judged) in items.iter().zip(places).zip(&mut judged) {
            settle(&mut desk, &mut forwards, item, place, judged.take());
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

/// Where an item belongs.
enum Place<'a> {
    /// Here.
    Own,
    /// To another node.
    Other(&'a Arc<Peer>),
    /// Nowhere, as its key or name is missing or unbearable.
    Refused(HitError),
    /// Nowhere, as the ring is empty.
    Nobody,
}

fn place<'a>(ring: &'a PeerSet, item: &Item<'_>) -> Place<'a> {
    let request = &item.request;
    if let Err(error) = request.check_key() {
        return Place::Refused(error);
    }
    match ring.owner(request.name, request.unique_key) {
        Some(Member::Own) => Place::Own,
        Some(Member::Other(peer)) => Place::Other(peer),
        None => Place::Nobody,
    }
}

/// Decides the items that are ours, shard by shard: two cores that work on the same keys would
/// otherwise take each shard from one another with every item. Items of one key keep their order.
fn judge_by_shard(
    node: &Node,
    desk: &mut Desk<'_>,
    items: &[Item<'_>],
    places: &[Place<'_>],
) -> Vec<Option<Judged>> {
    let shard_of = |item: &Item<'_>| node.table().shard_of(item.request.name, item.request.unique_key);
    let mut order: Vec<(usize, usize)> = items
        .iter()
        .zip(places)
        .enumerate()
        .filter(|(_, (_, place))| matches!(place, Place::Own))
        .map(|(nth, (item, _))| (shard_of(item), nth))
        .collect();
    order.sort_unstable();
    let mut judged: Vec<_> = items.iter().map(|_| None).collect();
    for (_, nth) in order {
        judged[nth] = Some(desk.judge(&items[nth]));
    }
    desk.leave();
    judged
}

/// Writes an item's answer, decided before or now, or notes whom to ask.
fn settle(
    desk: &mut Desk<'_>,
    forwards: &mut Forwards,
    item: &Item<'_>,
    place: Place<'_>,
    judged: Option<Judged>,
) {
    match (place, judged) {
        (_, Some(judged)) => desk.write(&judged, &[]),
        (Place::Own, None) => desk.decide(item, &[]),
        (Place::Refused(error), None) => desk.refuse(&item.request, error),
        (Place::Nobody, None) => desk.no_peer(&item.request),
        (Place::Other(peer), None) => {
            // What the declaration says of travelling counts as much as what the request says.
            let mut joined = item.request;
            let behavior = match desk.limits().join(&mut joined) {
                Ok(Joined::Counted(_)) => joined.behavior,
                // Without a count there is no owner to ask.
                Ok(Joined::Unlimited) | Err(_) => return desk.decide(item, &[]),
            };
            let alone = desk.node().batches_never() || behavior.contains(Behavior::NO_BATCHING);
            forwards.add(peer, alone, item, desk.now(), desk.written());
        }
    }
}
