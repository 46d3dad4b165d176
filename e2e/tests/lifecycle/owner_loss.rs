//! An owner that is killed or silent: who decides then, and what health says.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::clock::await_some_within;
use e2e::launch::Launch;
use e2e::ports;
use e2e::process::Signal;
use http::StatusCode;
use proto::gubernator::Behavior;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::key_of_another;
use crate::requests::{Over, Under, decision, token, with};
use crate::rings::{self, Member};

/// The node that is asked, the one that owns the key and is killed, and what else there is.
struct Loss {
    asked: Member,
    others: Vec<Member>,
    key: String,
    owner: String,
}

async fn loss<const N: usize>(policy: &str) -> Loss {
    let mut members = rings::processes::<N>(&[("WICKETGATE_ON_OWNER_UNAVAILABLE", policy)]).await;
    let (key, owner) = key_of_another(&members[0].client).await;
    let asked = members.remove(0);
    let mut others = members;
    assert_ne!(owner, asked.advertised.to_string());
    let lost = others.iter().position(|member| member.advertised.to_string() == owner).expect("a member");
    let mut lost = others.remove(lost);
    lost.daemon.signal(Signal::Kill);
    lost.daemon.ended().await;
    Loss { asked, others, key, owner }
}

#[tokio::test]
async fn the_next_peer_decides_and_says_so() {
    let loss = loss::<3>("NextPeer").await;
    let request = || token(&loss.key, 1, 3, 600_000);
    // The two that are left agree on who is next, so that the limit holds whichever is asked.
    let clients = [&loss.asked.client, &loss.others[0].client, &loss.asked.client, &loss.others[0].client];
    let expected = [(Under, 2), (Under, 1), (Under, 0), (Over, 0)];
    for (turn, (client, expected)) in clients.into_iter().zip(expected).enumerate() {
        let reply = client.hit_one(request()).await;
        assert_eq!(decision(&reply), expected, "hit {turn}: {reply:?}");
        assert!(reply.metadata.contains_key("degraded"), "hit {turn}: {reply:?}");
    }
}

#[tokio::test]
async fn the_asked_node_decides_where_the_policy_is_local() {
    let loss = loss::<3>("Local").await;
    for left in [2, 1, 0] {
        let reply = loss.asked.client.hit_one(token(&loss.key, 1, 3, 600_000)).await;
        assert_eq!(decision(&reply), (Under, left), "{reply:?}");
        assert!(reply.metadata.contains_key("degraded"), "{reply:?}");
    }
    let elsewhere = loss.others[0].client.hit_one(token(&loss.key, 1, 3, 600_000)).await;
    assert_eq!(decision(&elsewhere), (Under, 2), "each node counts for itself");
}

#[tokio::test]
async fn nobody_decides_where_the_policy_is_error() {
    let loss = loss::<2>("Error").await;
    let own = own_key(&loss).await;
    let both = vec![token(&loss.key, 1, 3, 600_000), token(&own, 1, 3, 600_000)];
    let replies = loss.asked.client.hit(both).await;
    let begin = format!("while fetching rate limit 'e2e_{}' from peer: ", loss.key);
    assert!(replies[0].error.starts_with(&begin), "{:?}", replies[0]);
    assert_eq!((replies[0].status(), replies[0].remaining), (Under, 0));
    assert_eq!(decision(&replies[1]), (Under, 2), "the other item is answered");
}

async fn own_key(loss: &Loss) -> String {
    for number in 0..256 {
        let key = format!("own:{number}");
        let reply = loss.asked.client.hit_one(token(&key, 0, 3, 600_000)).await;
        if reply.error.is_empty() && !reply.metadata.contains_key("owner") {
            return key;
        }
    }
    panic!("of 256 keys, some belong to the asked node");
}

#[tokio::test]
async fn a_failed_peer_makes_health_say_so_and_time_mends_it() {
    let loss = loss::<3>("NextPeer").await;
    let client = &loss.asked.client;
    let http = loss.asked.daemon.node().http();
    assert_eq!(client.health().await.expect("an answer").status, "healthy", "nobody has noticed it");
    client.hit_one(token(&loss.key, 1, 3, 600_000)).await;

    let health = client.health().await.expect("OK, with what is wrong in the message");
    assert_eq!(health.status, "unhealthy");
    assert!(health.message.contains(&loss.owner), "names the peer: {}", health.message);
    let json = http.get("/v1/HealthCheck").await;
    assert_eq!((json.status, json.json()["status"].as_str()), (StatusCode::OK, Some("unhealthy")));
    for path in ["/readyz", "/livez"] {
        assert_eq!(http.get(path).await.status, StatusCode::OK, "{path} does not depend on another pod");
    }

    // A failure counts for 30 s; nobody asks the lost peer again meanwhile.
    await_some_within(Duration::from_secs(50), "healthy again", async || {
        client.health().await.ok().filter(|health| health.status == "healthy")
    })
    .await;
}

/// A machine that is gone refuses nothing: who asks for a connection hears nothing at all. Here a
/// listener whose queue is full plays it.
#[tokio::test]
async fn an_owner_that_takes_no_connection_is_replaced_in_time() {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let (silent, _held) = silent().await;
    let [own, listener] = ports::free();
    let asked = Launch::serve()
        .env("GUBER_GRPC_ADDRESS", own.to_string())
        .env("GUBER_ADVERTISE_ADDRESS", own.to_string())
        .env("WICKETGATE_PEER_ADDRESS", listener.to_string())
        .env("WICKETGATE_PEERS", format!("{own}@{listener},{silent}@{silent}"))
        .env("GUBER_BATCH_TIMEOUT", "2s")
        .start()
        .await;
    let client = asked.node().client().await;
    for behavior in [Behavior::Batching, Behavior::NoBatching] {
        let mut replaced = 0;
        for number in 0..64 {
            let began = Instant::now();
            let request = token(&format!("{behavior:?}:{number}"), 1, 3, 600_000);
            let reply = client.hit_one(with(behavior, request)).await;
            let took = began.elapsed();
            assert_eq!(decision(&reply), (Under, 2), "{reply:?}");
            assert!(took < TIMEOUT, "key {number} took {took:?}: {reply:?}");
            replaced += u32::from(reply.metadata.contains_key("degraded"));
            if replaced == 3 {
                break;
            }
        }
        assert_eq!(replaced, 3, "{behavior:?}: of 64 keys some belong to the silent node");
    }
}

/// An address at which a connection is neither taken nor refused, for as long as the rest is held.
async fn silent() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port of the loopback");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("its address");
    let mut held = Vec::new();
    // Whoever is not let in within this time stands before a full queue.
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        held.push(stream.expect("a connection"));
        assert!(held.len() < 100, "the system takes more connections than it was told");
    }
    (address, (listener, held))
}
