//! Makes rings out of lists of nodes, and keeps what the old ring and the new one have in common.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::{Peer, PeerSet};
use crate::node::Node;
use crate::settings::Batching;

/// A node as lists name it: what it is called on the ring, and where its PeersV1 is dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its name on the ring.
    pub address: String,
    /// `host:port` to dial.
    pub dial: String,
}

/// A peer that cannot be dialled.
#[derive(Debug, thiserror::Error)]
#[error("the peer {address} cannot be dialled: {cause}")]
pub struct RosterError {
    /// As it was told.
    pub address: String,
    /// What is wrong with it.
    pub cause: tonic::transport::Error,
}

/// Makes one node's rings.
#[derive(Clone, Debug)]
pub struct Roster {
    node: Arc<Node>,
    batching: Batching,
    /// The tasks that send to other nodes.
    senders: TaskTracker,
}

impl Roster {
    /// For `node`; what sends to its peers runs among `senders`.
    #[must_use]
    pub const fn new(node: Arc<Node>, batching: Batching, senders: TaskTracker) -> Self {
        Self { node, batching, senders }
    }

    /// The node whose rings these are.
    #[must_use]
    pub const fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Takes the ring of `members` into force. A peer that was there before keeps its connection and
    /// what is queued for it. One that has left is let go: whoever still waits for its answer holds
    /// it until then, so that nothing which was queued is lost, and its sender ends with the last.
    ///
    /// # Errors
    /// Where a member cannot be dialled; the ring stays as it was.
    pub fn set(&self, members: &[Named]) -> Result<(), RosterError> {
        let own = self.node.advertise();
        let before = self.node.ring();
        let known: HashMap<&str, &Arc<Peer>> = before.others().map(|peer| (peer.address(), peer)).collect();
        let mut others = Vec::with_capacity(members.len());
        for Named { address, dial } in members.iter().filter(|member| member.address != **own) {
            match known.get(address.as_str()).filter(|peer| peer.dial() == dial) {
                Some(peer) => others.push(Arc::clone(peer)),
                None => others.push(self.connect(address, dial)?),
            }
        }
        let listed = members.iter().any(|member| member.address == **own);
        let left =
            before.others().filter(|peer| members.iter().all(|member| member.address != peer.address()));
        let left: Vec<_> = left.map(|peer| peer.address().to_owned()).collect();
        self.node.set_ring(PeerSet::new(self.node.ring_hash(), Arc::clone(own), listed, others));
        for address in left {
            self.node.metrics().forget_peer(&address);
        }
        Ok(())
    }

    fn connect(&self, address: &str, dial: &str) -> Result<Arc<Peer>, RosterError> {
        let metrics = self.node.metrics().peer(address);
        let (peer, sender) = Peer::new(address, dial, self.batching, metrics)
            .map_err(|cause| RosterError { address: dial.to_owned(), cause })?;
        self.senders.spawn(sender);
        Ok(Arc::new(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeSettings;

    fn named(addresses: &[&str]) -> Vec<Named> {
        let named = |address: &&str| Named { address: (*address).to_owned(), dial: (*address).to_owned() };
        addresses.iter().map(named).collect()
    }

    #[tokio::test]
    async fn a_peer_that_stays_is_the_same_and_one_that_leaves_ends() {
        let node = Arc::new(Node::new(NodeSettings::for_test("10.0.0.1:1")).unwrap());
        let senders = TaskTracker::new();
        let roster = Roster::new(Arc::clone(&node), NodeSettings::batching_for_test(), senders.clone());
        roster.set(&named(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"])).unwrap();
        assert!(node.ring().has_own());
        let peer =
            |address: &str| node.ring().others().find(|peer| peer.address() == address).map(Arc::clone);
        let (stays, leaves) = (peer("10.0.0.2:1").unwrap(), Arc::downgrade(&peer("10.0.0.3:1").unwrap()));
        roster.set(&named(&["10.0.0.2:1", "10.0.0.4:1"])).unwrap();
        assert!(Arc::ptr_eq(&stays, &peer("10.0.0.2:1").unwrap()));
        assert!(!node.ring().has_own());
        assert_eq!(node.ring().addresses().collect::<Vec<_>>(), ["10.0.0.2:1", "10.0.0.4:1"]);
        assert!(leaves.upgrade().is_none(), "nobody waits for it");
        assert!(!node.metrics().render().unwrap().contains("10.0.0.3"));
        drop(stays);
        roster.set(&[]).unwrap();
        senders.close();
        senders.wait().await;
    }

    #[tokio::test]
    async fn a_member_that_cannot_be_dialled_changes_nothing() {
        let node = Arc::new(Node::new(NodeSettings::for_test("10.0.0.1:1")).unwrap());
        let roster = Roster::new(Arc::clone(&node), NodeSettings::batching_for_test(), TaskTracker::new());
        roster.set(&named(&["10.0.0.1:1"])).unwrap();
        let error = roster.set(&named(&["not an address"])).expect_err("no address");
        assert!(error.to_string().contains("not an address"), "{error}");
        assert!(node.ring().has_own());
    }
}
