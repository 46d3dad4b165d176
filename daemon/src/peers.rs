//! The map: which node owns a key, and how to reach it.

pub mod discovery;

mod client;
mod peer;
mod roster;

use std::sync::Arc;

use engine::{Ring, RingHash};

pub use client::AskError;
pub(crate) use client::turned_away;
pub use peer::Peer;
pub use roster::{Named, Roster, RosterError};

/// One node of the ring.
#[derive(Clone, Debug)]
pub enum Member {
    /// This one.
    Own,
    /// Another.
    Other(Arc<Peer>),
}

/// All nodes of the ring, swapped whole when they change.
#[derive(Debug)]
pub struct PeerSet {
    ring: Ring<Member>,
    own: Arc<str>,
}

impl PeerSet {
    /// The ring of `others`, and of this node where `own_is_listed`.
    #[must_use]
    pub fn new(hash: RingHash, own: Arc<str>, own_is_listed: bool, others: Vec<Arc<Peer>>) -> Self {
        let others = others.into_iter().map(|peer| (peer.address().to_owned(), Member::Other(peer)));
        let listed = own_is_listed.then(|| (own.to_string(), Member::Own));
        Self { ring: Ring::new(hash, listed.into_iter().chain(others)), own }
    }

    /// Who owns a key; nobody, where the ring is empty.
    #[must_use]
    pub fn owner(&self, name: &str, unique_key: &str) -> Option<&Member> {
        self.ring.owner(name, unique_key)
    }

    /// The owner, then who would own the key if it were gone, and so on.
    pub fn successors(&self, name: &str, unique_key: &str) -> impl Iterator<Item = &Member> {
        self.ring.successors(name, unique_key)
    }

    /// The address under which the others know this node.
    #[must_use]
    pub fn own(&self) -> &Arc<str> {
        &self.own
    }

    /// Whether this node is in the ring.
    #[must_use]
    pub fn has_own(&self) -> bool {
        self.ring.peers().any(|(_, member)| matches!(member, Member::Own))
    }

    /// Addresses of all nodes, in the ring's order of joining.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.ring.peers().map(|(address, _)| address)
    }

    /// The other nodes.
    pub fn others(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.ring.peers().filter_map(|(_, member)| match member {
            Member::Own => None,
            Member::Other(peer) => Some(peer),
        })
    }
}
