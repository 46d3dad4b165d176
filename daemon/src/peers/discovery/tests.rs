use std::sync::Arc;

use kube::core::Status;
use kube::runtime::watcher::Error;
use tokio_util::task::TaskTracker;

use super::*;
use crate::node::{Needs, Node, NodeSettings};

fn roster() -> Roster {
    let needs = Needs { discovery: true, ..Needs::default() };
    let settings = NodeSettings { needs, ..NodeSettings::for_test("10.0.0.1:1052") };
    let node = Arc::new(Node::new(settings).unwrap());
    node.start_serving();
    Roster::new(node, NodeSettings::batching_for_test(), TaskTracker::new())
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn addresses(roster: &Roster) -> Vec<String> {
    roster.node().ring().addresses().map(ToOwned::to_owned).collect()
}

fn failure(code: u16) -> Failure {
    let status = Status::failure("no", "No").with_code(code).boxed();
    Failure::of(&Error::InitialListFailed(kube::Error::Api(status)))
}

#[tokio::test]
async fn the_ring_follows_and_is_never_emptied() {
    let roster = roster();
    let follower = Follower::new(&roster, 1052);
    assert!(roster.node().ready().is_err());
    follower.take(&[]);
    assert_eq!(roster.node().ready(), Ok(()), "nobody is listed before anybody is ready");
    follower.take(&ips(&["10.0.0.1", "fd00::2"]));
    assert_eq!(addresses(&roster), ["10.0.0.1:1052", "[fd00::2]:1052"]);
    let metrics = roster.node().metrics();
    for _ in 0..2 {
        follower.take(&[]);
        assert_eq!(addresses(&roster), ["10.0.0.1:1052", "[fd00::2]:1052"]);
        assert_eq!(metrics.rings_kept.get(), 1, "it is told once");
    }
    follower.take(&ips(&["fd00::2"]));
    assert_eq!(addresses(&roster), ["[fd00::2]:1052"]);
    assert_eq!(metrics.ring_changes.get(), 2);
    assert!(metrics.ring_changed_at.get() > 1_577_836_800);
}

#[tokio::test]
async fn a_server_that_is_away_keeps_nobody_waiting_and_one_that_refuses_does() {
    let away = roster();
    let follower = Follower::new(&away, 1052);
    follower.failed(&failure(503));
    assert!(away.node().ready().is_err(), "there is still hope");
    follower.go_on_without();
    assert_eq!(away.node().ready(), Ok(()));

    let refused = roster();
    let follower = Follower::new(&refused, 1052);
    follower.failed(&failure(403));
    follower.go_on_without();
    assert!(refused.node().ready().is_err_and(|why| why.contains("no word of the other pods yet")));
    follower.take(&ips(&["10.0.0.1"]));
    assert_eq!(refused.node().ready(), Ok(()));
}
