//! Items that another node owns: sent to it in groups, and their answers put among the local ones.

use std::sync::Arc;
use std::time::Duration;

use engine::{Behavior, UnixMillis};
use futures_util::future::join_all;

use super::home;
use crate::clock;
use crate::node::Node;
use crate::peers::{AskError, Peer};
use crate::wire::{self, Answers, Item, Note, forward_record};

/// Bytes that an item grows by on its way: its own tag and length, an instant, flags.
const GROWTH: usize = 32;

/// Items of one batch that go to other nodes, and where their answers belong.
#[derive(Default)]
pub(super) struct Forwards {
    groups: Vec<Group>,
    holes: Vec<Hole>,
}

/// A place among the local answers that the next answer of a group belongs to.
struct Hole {
    at: usize,
    group: usize,
}

/// Items that go to one node together.
pub(super) struct Group {
    pub(super) peer: Arc<Peer>,
    /// In a call of their own, not in the node's next batch.
    pub(super) alone: bool,
    /// The body of a GetPeerRateLimitsReq.
    pub(super) records: Vec<u8>,
    pub(super) items: usize,
}

impl Forwards {
    pub(super) const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Notes an item for `peer`, whose answer belongs at byte `at` of the local ones.
    pub(super) fn add(&mut self, peer: &Arc<Peer>, alone: bool, item: &Item<'_>, now: UnixMillis, at: usize) {
        // What does not fit into one call any more goes with another.
        let room =
            |group: &Group| peer.has_room(group.items, group.records.len() + item.bytes.len() + GROWTH);
        let known = self
            .groups
            .iter()
            .rposition(|group| group.alone == alone && Arc::ptr_eq(&group.peer, peer) && room(group));
        let group = known.unwrap_or_else(|| {
            self.groups.push(Group::new(Arc::clone(peer), alone));
            self.groups.len() - 1
        });
        self.holes.push(Hole { at, group });
        self.groups[group].add(item, now);
    }

    /// Asks all nodes at once, and puts their answers between the `local` ones.
    pub(super) async fn gather(self, node: &Arc<Node>, local: Vec<u8>, timeout: Option<Duration>) -> Vec<u8> {
        let Self { groups, holes } = self;
        let started = clock::tick();
        let answered = join_all(groups.into_iter().map(|group| answers_of(node, group, timeout))).await;
        let took = clock::between(started, clock::tick()).as_secs_f64();
        node.metrics().durations.async_request.observe(took);
        let mut answered: Vec<_> = answered.iter().map(|answers| wire::records(answers)).collect();
        let mut all = Answers::with_room(0, 0);
        let mut done = 0;
        for Hole { at, group } in holes {
            all.append(&local[done..at]);
            done = at;
            // Each group has as many answers as it had items.
            if let Some(Ok(answer)) = answered[group].next() {
                all.passed_on(answer, &[]);
            }
        }
        all.append(&local[done..]);
        all.into_bytes()
    }
}

/// The answers to a group's items, as records, as many as there are items, whatever happens.
async fn answers_of(node: &Arc<Node>, group: Group, timeout: Option<Duration>) -> Vec<u8> {
    match group.ask(timeout).await {
        Ok(answer) => {
            let mut answers = Answers::with_room(0, group.items);
            for answer in wire::records(&answer).flatten() {
                answers.passed_on(answer, &[Note::Owner(group.peer.address())]);
            }
            answers.into_bytes()
        }
        Err(error) => home::find(node, group, error, timeout).await,
    }
}

impl Group {
    pub(super) const fn new(peer: Arc<Peer>, alone: bool) -> Self {
        Self { peer, alone, records: Vec::new(), items: 0 }
    }

    /// Adds an item as it shall travel.
    pub(super) fn add(&mut self, item: &Item<'_>, now: UnixMillis) {
        // The instant of the item is that of the node that was asked.
        let created_at = match item.created_at {
            None | Some(0) => Some(now.get()),
            Some(_) => None,
        };
        // An owner takes GLOBAL from a peer for hits that were admitted already. These were not.
        let behavior = item.request.behavior;
        let behavior = behavior.contains(Behavior::GLOBAL).then(|| behavior.without(Behavior::GLOBAL).bits());
        forward_record(&mut self.records, item.bytes, created_at, behavior);
        self.items += 1;
    }

    pub(super) async fn ask(&self, timeout: Option<Duration>) -> Result<bytes::Bytes, AskError> {
        self.peer.ask(self.records.clone(), self.items, self.alone, timeout).await
    }
}
