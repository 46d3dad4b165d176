//! Where we differ from Gubernator on purpose (`docs/differences.md`) and no other test shows it.

use std::net::TcpListener;
use std::time::Duration;

use e2e::clock::{await_condition, now_ms};
use e2e::grpc::Client;
use e2e::launch::Launch;
use e2e::process::Signal;
use futures_util::future::join_all;
use proto::gubernator::peers_v1_client::PeersV1Client;
use proto::gubernator::{
    Behavior, GetPeerRateLimitsReq, RateLimitReq, RateLimitResp, UpdatePeerGlobal, UpdatePeerGlobalsReq,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::transport::Channel;

use crate::manifests::{Manifests, cluster, limit};
use crate::requests::{Over, Under, at, bare, decision, leaky, token, with};
use crate::rings::{self, Member, Ring};

const INVALID: &str = r#"gubernator_check_error_counter{error="Invalid request"}"#;

/// A node that listens for peers, and a peer's connection to it.
async fn node_with_peers() -> (Member, PeersV1Client<Channel>) {
    let node = rings::processes::<1>(&[]).await.remove(0);
    let address = node.daemon.node().peers.expect("PeersV1 has a listener of its own");
    let peers = PeersV1Client::new(e2e::grpc::channel(address).await);
    (node, peers)
}

async fn as_peer(peers: &mut PeersV1Client<Channel>, requests: Vec<RateLimitReq>) -> Vec<RateLimitResp> {
    let reply = peers.get_peer_rate_limits(GetPeerRateLimitsReq { requests }).await.expect("an answer");
    reply.into_inner().rate_limits
}

#[tokio::test]
async fn a_broadcast_that_lacks_its_parts_is_refused_and_counted() {
    let (mut node, mut peers) = node_with_peers().await;
    let whole = UpdatePeerGlobal {
        key: "e2e_anna".to_owned(),
        status: Some(RateLimitResp::default()),
        ..UpdatePeerGlobal::default()
    };
    let globals = vec![
        UpdatePeerGlobal { status: None, ..whole.clone() },
        UpdatePeerGlobal { key: String::new(), ..whole.clone() },
        UpdatePeerGlobal { algorithm: 7, ..whole.clone() },
        whole,
    ];
    peers.update_peer_globals(UpdatePeerGlobalsReq { globals }).await.expect("the call itself is fine");
    let http = node.daemon.node().http();
    assert_eq!(http.metric(INVALID).await, Some(3.0));
    assert_eq!(http.metric("gubernator_updatepeerglobals_counter").await, Some(1.0));
    assert!(node.daemon.runs(), "the original dies of the first item");
}

#[tokio::test]
async fn peers_are_checked_as_clients_are() {
    let (_node, mut peers) = node_with_peers().await;
    let good = token("anna", 1, 10, 60_000);
    let requests = vec![
        RateLimitReq { unique_key: String::new(), ..good.clone() },
        RateLimitReq { name: String::new(), ..good.clone() },
        RateLimitReq { limit: -1, ..good.clone() },
        good,
    ];
    let replies = as_peer(&mut peers, requests).await;
    let errors: Vec<_> = replies.iter().map(|reply| reply.error.as_str()).collect();
    let empty = ["field 'unique_key' cannot be empty", "field 'namespace' cannot be empty"];
    assert_eq!(errors, [empty[0], empty[1], "field 'limit' cannot be negative", ""]);
    assert_eq!(decision(&replies[3]), (Under, 9));
}

#[tokio::test]
async fn a_peers_batch_is_decided_in_its_order() {
    let (_node, mut peers) = node_with_peers().await;
    let replies = as_peer(&mut peers, vec![token("anna", 1, 500, 60_000); 1_000]).await;
    for (nth, reply) in (1..).zip(&replies) {
        let expected = if nth <= 500 { (Under, 500 - nth) } else { (Over, 0) };
        assert_eq!(decision(reply), expected, "item {nth}");
    }
}

/// Kept: what a peer says is GLOBAL was admitted there already, so that it is taken whatever is left.
#[tokio::test]
async fn global_hits_from_a_peer_drain() {
    let (_node, mut peers) = node_with_peers().await;
    let global = |hits| with(Behavior::Global, token("anna", hits, 10, 60_000));
    let replies = as_peer(&mut peers, vec![global(1), global(100), global(0)]).await;
    let decisions: Vec<_> = replies.iter().map(decision).collect();
    assert_eq!(decisions, [(Under, 9), (Over, 0), (Under, 0)]);
}

#[tokio::test]
async fn an_instant_far_from_the_clock_is_moved_and_counted() {
    let daemon = Launch::serve().env("WICKETGATE_MAX_CLOCK_SKEW", "1m").start().await;
    let client = daemon.node().client().await;
    let now = now_ms();
    let near = client.hit_one(at(now + 50_000, token("near", 1, 10, 1_000))).await;
    assert_eq!(near.reset_time, now + 51_000);
    for (key, at_, bound) in [("ahead", now + 3_600_000, 60_000), ("behind", now - 3_600_000, -60_000)] {
        let reply = client.hit_one(at(at_, token(key, 1, 10, 1_000))).await;
        let off = reply.reset_time - (now + bound + 1_000);
        assert!((0..20_000).contains(&off), "{key}: {off} ms from the bound");
    }
    assert_eq!(daemon.node().http().metric("wicketgate_clock_clamps_total").await, Some(2.0));
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again() {
    let daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let now = now_ms();
    for (hits, after) in [(3, None), (1, Some("2000")), (3, Some("6000")), (4, None), (0, None)] {
        let reply = client.hit_one(at(now, leaky("anna", hits, 3, 6_000))).await;
        assert_eq!(reply.metadata.get("retry_after_ms").map(String::as_str), after, "{hits} hits: {reply:?}");
    }
    let item = json!({"name": "e2e", "unique_key": "anna", "hits": 1, "limit": 3, "duration": 6_000,
        "algorithm": "LEAKY_BUCKET", "created_at": now});
    let reply = daemon.node().http().post("/v1/GetRateLimits", json!({"requests": [item]}).to_string()).await;
    assert_eq!(reply.json()["responses"][0]["metadata"], json!({"retry_after_ms": "2000"}));
}

#[tokio::test]
async fn keys_and_names_have_a_longest_length() {
    let daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let fits = RateLimitReq { name: "n".repeat(4_096), ..token(&"k".repeat(4_096), 1, 10, 60_000) };
    assert_eq!(decision(&client.hit_one(fits.clone()).await), (Under, 9));
    let key = client.hit_one(RateLimitReq { unique_key: "k".repeat(4_097), ..fits.clone() }).await;
    assert_eq!(key.error, "field 'unique_key' cannot be longer than 4096 bytes; it has 4097");
    let name = client.hit_one(RateLimitReq { name: "n".repeat(5_000), ..fits }).await;
    assert_eq!(name.error, "field 'name' cannot be longer than 4096 bytes; it has 5000");
}

#[tokio::test]
async fn a_declared_limit_can_be_reset_by_a_request() {
    let documents = [limit("checkout", &["limit: 5", "duration: 1m"])];
    let documents: Vec<_> = documents.iter().map(String::as_str).collect();
    let ring = Ring::on(Manifests::cluster(1, &[], &documents), 1).await;
    assert_eq!(decision(&ring.ask(0, bare("checkout", "anna", 4)).await), (Under, 1));
    let reset = ring.ask(0, with(Behavior::ResetRemaining, bare("checkout", "anna", 4))).await;
    assert_eq!((decision(&reset), reset.limit), ((Under, 5), 5));
    assert_eq!(decision(&ring.ask(0, bare("checkout", "anna", 1)).await), (Under, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn global_and_multi_region_are_decided_by_the_owner() {
    let ring = Ring::of(3).await;
    let request =
        |key: &str, hits| with(Behavior::Global, with(Behavior::MultiRegion, token(key, hits, 30, 600_000)));
    for key in ["anna", "ben", "cleo"] {
        let replies = join_all((0..90).map(|turn| ring.ask(turn, request(key, 1)))).await;
        let admitted = replies.iter().filter(|reply| decision(reply).0 == Under).count();
        assert_eq!(admitted, 30, "of 90 hits of {key}, 30 at each node");
        let told = replies.iter().filter(|reply| reply.metadata.contains_key("owner")).count();
        assert_eq!(told, 60, "the two nodes that do not own {key} say who does");
    }
    // A refusal takes nothing, whichever node is asked.
    for turn in 0..3 {
        assert_eq!(decision(&ring.ask(turn, request("dora", 100)).await), (Over, 30));
    }
    assert_eq!(decision(&ring.ask(0, request("dora", 0)).await), (Under, 30));
}

#[tokio::test]
async fn a_forward_without_a_deadline_ends() {
    let members = rings::processes::<2>(&[("GUBER_BATCH_TIMEOUT", "300ms")]).await;
    let key = key_of_the_other(&members[0].client).await;
    members[1].daemon.signal(Signal::Stop);
    // A process stops a little after it was told to.
    await_condition("the owner stands still", async || {
        !members[0].client.hit_one(token(&key, 0, 10, 60_000)).await.error.is_empty()
    })
    .await;
    for request in [token(&key, 1, 10, 60_000), with(Behavior::NoBatching, token(&key, 1, 10, 60_000))] {
        let reply = tokio::time::timeout(Duration::from_secs(10), members[0].client.hit_one(request)).await;
        let reply = reply.expect("an owner that stands still holds nobody");
        assert!(reply.error.contains(": rpc error: code = "), "{reply:?}");
    }
    members[1].daemon.signal(Signal::Cont);
}

/// A key that `asked` does not own, by its own word.
async fn key_of_the_other(asked: &Client) -> String {
    for number in 0..256 {
        let key = format!("account:{number}");
        if asked.hit_one(token(&key, 0, 10, 60_000)).await.metadata.contains_key("owner") {
            return key;
        }
    }
    panic!("of 256 keys, some belong to the other node");
}

#[tokio::test]
async fn a_small_cache_is_as_small_as_it_is_told() {
    let settings = Launch::serve().env("GUBER_CACHE_SIZE", "2").env("GUBER_WORKER_COUNT", "8");
    let daemon = settings.start().await;
    let client = daemon.node().client().await;
    client.hit((0..100).map(|key| token(&format!("{key}"), 1, 10, 60_000)).collect()).await;
    let http = daemon.node().http();
    assert_eq!(http.metric("gubernator_cache_size").await, Some(2.0));
    assert_eq!(http.metric("gubernator_unexpired_evictions_count").await, Some(98.0));
}

#[tokio::test]
async fn dead_buckets_give_their_memory_back() {
    let daemon = Launch::serve().env("WICKETGATE_MAX_CLOCK_SKEW", "0s").start().await;
    let client = daemon.node().client().await;
    client.hit((0..100).map(|key| token(&format!("{key}"), 1, 10, 1)).collect()).await;
    let http = daemon.node().http();
    await_condition("nobody asks for them, and they go", async || {
        http.metric("gubernator_cache_size").await == Some(0.0)
    })
    .await;
    assert_eq!(http.metric("wicketgate_cache_expired_total").await, Some(100.0));
}

#[tokio::test]
async fn a_header_does_not_change_the_method() {
    let daemon = Launch::serve().start().await;
    let mut stream = tokio::net::TcpStream::connect(daemon.node().http).await.expect("a connection");
    let request = "POST /v1/LiveCheck HTTP/1.1\r\nhost: localhost\r\nx-http-method-override: GET\r\n\
                   content-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.expect("an answer");
    assert!(reply.starts_with("HTTP/1.1 501 "), "{reply}");
}

#[tokio::test]
async fn the_nodes_of_standalone_listen_two_ports_apart() {
    let first = four_free_ports();
    let address = |port: u16| format!("127.0.0.1:{port}");
    let manifests = Manifests::new();
    manifests.write("cluster.yaml", &cluster(2, &[]));
    let (http, grpc) = (address(first), address(first + 1));
    let daemon = Launch::with(&["standalone", "--http-address", &http, "--grpc-address", &grpc, "-f"])
        .arg(manifests.folder())
        .env("GUBER_LOG_FORMAT", "json")
        .arg("--log-format=json")
        .start()
        .await;
    let serving = || daemon.records().into_iter().filter(|record| record["message"] == "serving");
    await_condition("both nodes serve", async || serving().count() == 2).await;
    let told: Vec<_> = serving().map(|record| json!([record["http"], record["grpc"]])).collect();
    assert_eq!(told, [json!([http, grpc]), json!([address(first + 2), address(first + 3)])]);
}

/// The first of four ports in a row that nobody has now.
fn four_free_ports() -> u16 {
    for _ in 0..100 {
        let some = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
        let row = (0..4).map(|step| TcpListener::bind(("127.0.0.1", some.checked_add(step)?)).ok());
        if row.collect::<Option<Vec<_>>>().is_some() {
            return some;
        }
    }
    panic!("four ports in a row are free somewhere");
}
