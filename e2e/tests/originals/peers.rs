//! PeersV1, as a peer asks it.

use proto::gubernator::GetPeerRateLimitsReq;
use proto::gubernator::peers_v1_client::PeersV1Client;

use crate::requests::{Under, decision, token};
use e2e::launch::Launch;

#[tokio::test]
async fn peer_batches_of_every_size_come_back_in_order() {
    // A ring of one, named only so that the listener for peers is bound.
    let ring = crate::rings::processes::<1>(&[]).await;
    let address = ring[0].daemon.node().peers.expect("PeersV1 has a listener of its own");
    let mut peers = PeersV1Client::new(e2e::grpc::channel(address).await);
    for size in [1, 2, 5, 10, 100, 1000_i64] {
        let requests =
            (0..size).map(|item| token(&format!("{size}/{item}"), 0, 1_000 + item, 60_000)).collect();
        let reply = peers.get_peer_rate_limits(GetPeerRateLimitsReq { requests }).await.expect("an answer");
        let limits: Vec<_> = reply.get_ref().rate_limits.iter().map(|reply| reply.limit).collect();
        assert_eq!(limits, (1_000..1_000 + size).collect::<Vec<_>>(), "a batch of {size}");
        for (item, reply) in reply.get_ref().rate_limits.iter().enumerate() {
            assert_eq!(decision(reply), (Under, limits[item]));
            assert!(!reply.metadata.contains_key("owner"), "the owner itself does not tell who owns");
        }
    }
    let requests = vec![token("one too many", 1, 10, 60_000); 1001];
    let status = peers.get_peer_rate_limits(GetPeerRateLimitsReq { requests }).await.expect_err("too many");
    assert_eq!(status.code(), tonic::Code::OutOfRange);
    assert_eq!(status.message(), "'PeerRequest.rate_limits' list too large; max size is '1000'");
}

#[tokio::test]
async fn the_public_port_does_not_speak_to_peers() {
    let daemon = Launch::serve().start().await;
    let mut peers = PeersV1Client::new(e2e::grpc::channel(daemon.node().grpc).await);
    let status = peers.get_peer_rate_limits(GetPeerRateLimitsReq::default()).await.expect_err("not here");
    assert_eq!(status.code(), tonic::Code::Unimplemented);
}
