//! Items whose owner did not answer: the ring as it now is may name another, and where it does not,
//! `onOwnerUnavailable` says who decides.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tonic::Status;

use super::Service;
use super::forward::Group;
use super::local::{Desk, joined_key};
use crate::clock;
use crate::node::Node;
use crate::peers::{AskError, Member, Peer, PeerSet};
use crate::settings::OnOwnerUnavailable;
use crate::wire::{self, Answers, Item, MAX_ITEMS, Note};

/// Nodes that are tried for one item before its caller is told: as many as the original tries.
const MAX_TRIES: usize = 5;

/// Answers a group that its owner failed, item by item. What may have been counted is not asked
/// again; what certainly was not is decided elsewhere.
pub(super) async fn find(
    node: &Arc<Node>,
    group: Group,
    error: AskError,
    timeout: Option<Duration>,
) -> Vec<u8> {
    let errors = &node.metrics().errors;
    let kind = match &error {
        AskError::NotSent(_) => &errors.peer_not_connected,
        AskError::Unknown(_) => &errors.timeout_forwarding,
        AskError::Mismatch(_) => &errors.item_mismatch,
    };
    kind.inc_by(group.items as u64);
    let owner = group.peer.address();
    // The records are ours, so they can be read.
    let items = wire::items(&group.records, MAX_ITEMS).unwrap_or_default();
    let mut search = Search {
        node,
        owner,
        alone: group.alone,
        answers: vec![Vec::new(); items.len()],
        tried: HashSet::from([owner.to_owned()]),
        items,
    };
    let all = (0..search.items.len()).collect();
    let mut homeless = search.sort_out(&group.peer, all, &error);
    while !homeless.is_empty() && search.tried.len() < MAX_TRIES {
        homeless = search.round(homeless, timeout).await;
    }
    let last = Status::unavailable("no peer could be reached");
    for nth in homeless {
        search.fail(nth, &last);
    }
    search.answers.concat()
}

struct Search<'a> {
    node: &'a Arc<Node>,
    owner: &'a str,
    alone: bool,
    items: Vec<Item<'a>>,
    /// One record for each item that is answered.
    answers: Vec<Vec<u8>>,
    /// Addresses of nodes that could not be reached.
    tried: HashSet<String>,
}

/// Whom to ask instead, and the rule that says so where it is not simply the new owner.
type Home = (Member, Option<&'static str>);

impl Search<'_> {
    /// Those of `items` that may be asked again after `error`; the others are told.
    fn sort_out(&mut self, peer: &Peer, items: Vec<usize>, error: &AskError) -> Vec<usize> {
        match error {
            AskError::NotSent(_) => {
                peer.count_retries(items.len());
                items
            }
            AskError::Unknown(status) | AskError::Mismatch(status) => {
                for nth in items {
                    self.fail(nth, status);
                }
                Vec::new()
            }
        }
    }

    /// Asks each item's next home, all at once. Returns the items that still have none.
    async fn round(&mut self, homeless: Vec<usize>, timeout: Option<Duration>) -> Vec<usize> {
        let mut groups: Vec<(Group, Option<&str>, Vec<usize>)> = Vec::new();
        // An Arc, since a guard that is held while others are asked takes one of a thread's few slots.
        let ring = arc_swap::Guard::into_inner(self.node.ring());
        for nth in homeless {
            match self.next_home(&ring, nth) {
                None => {
                    self.fail(nth, &Status::unavailable(format!("the owner {} is unavailable", self.owner)));
                }
                Some((Member::Own, how)) => self.decide_here(nth, how),
                Some((Member::Other(peer), how)) => {
                    let known = groups
                        .iter()
                        .position(|(group, by, _)| *by == how && Arc::ptr_eq(&group.peer, &peer));
                    let known = known.unwrap_or_else(|| {
                        groups.push((Group::new(peer, self.alone), how, Vec::new()));
                        groups.len() - 1
                    });
                    let (group, _, members) = &mut groups[known];
                    group.add(&self.items[nth], clock::now());
                    members.push(nth);
                }
            }
        }
        let asked = join_all(groups.iter().map(|(group, _, _)| group.ask(timeout))).await;
        let mut homeless = Vec::new();
        for ((group, how, members), answer) in groups.into_iter().zip(asked) {
            match answer {
                Ok(answer) => self.take(group.peer.address(), how, members, &answer),
                Err(error) => {
                    self.tried.insert(group.peer.address().to_owned());
                    homeless.extend(self.sort_out(&group.peer, members, &error));
                }
            }
        }
        homeless
    }

    fn next_home(&self, ring: &PeerSet, nth: usize) -> Option<Home> {
        let request = &self.items[nth].request;
        let untried = |member: &&Member| match member {
            Member::Own => true,
            Member::Other(peer) => !self.tried.contains(peer.address()),
        };
        // A node that knows of nobody any more decides for itself, as it does for calls that come.
        let Some(owner) = ring.owner(request.name, request.unique_key) else {
            return Some((Member::Own, None));
        };
        if untried(&owner) {
            return Some((owner.clone(), None));
        }
        match self.node.on_owner_unavailable() {
            OnOwnerUnavailable::Error => None,
            OnOwnerUnavailable::Local => Some((Member::Own, Some("Local"))),
            OnOwnerUnavailable::NextPeer => {
                let next = ring.successors(request.name, request.unique_key).find(untried)?;
                Some((next.clone(), Some("NextPeer")))
            }
        }
    }

    fn take(&mut self, peer: &str, how: Option<&str>, members: Vec<usize>, answer: &[u8]) {
        for (nth, answer) in members.into_iter().zip(wire::records(answer).flatten()) {
            let mut answers = Answers::with_room(0, 1);
            match how {
                None => answers.passed_on(answer, &[Note::Owner(peer)]),
                Some(how) => answers.passed_on(answer, &[Note::Owner(peer), Note::Degraded(how)]),
            }
            self.answers[nth] = answers.into_bytes();
        }
    }

    fn decide_here(&mut self, nth: usize, how: Option<&str>) {
        let limits = self.node.limits();
        let mut desk = Desk::new(self.node, Service::Clients, &limits, clock::now(), 0, 1);
        match how {
            None => desk.decide(&self.items[nth], &[]),
            Some(how) => desk.decide(&self.items[nth], &[Note::Degraded(how)]),
        }
        self.answers[nth] = desk.finish();
    }

    /// Tells an item's caller, in the original's words.
    fn fail(&mut self, nth: usize, status: &Status) {
        let step = if self.alone {
            "Error in GetPeerRateLimits"
        } else {
            "Error in getPeerRateLimitsBatch: Request error"
        };
        let text = format!(
            "while fetching rate limit '{}' from peer: {step}: Error in client.GetPeerRateLimits: \
             rpc error: code = {:?} desc = {}",
            joined_key(&self.items[nth].request),
            status.code(),
            status.message()
        );
        let mut answers = Answers::with_room(0, 1);
        answers.error(&text, &[Note::Owner(self.owner)]);
        self.answers[nth] = answers.into_bytes();
    }
}
