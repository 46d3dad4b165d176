//! How long callers wait, by their own word: endless, short, or not at all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use e2e::launch::Launch;
use h2::client::Builder;
use proto::gubernator::Behavior;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use crate::lifecycle::key_of_another;
use crate::requests::{Under, decision, token, with};
use crate::rings::Ring;
use crate::streams::{body, connect, exchange, head, read};

/// What should end in a second has ended by then, also where the machine is busy.
const SOON: Duration = Duration::from_secs(10);

/// An HTTP/1.1 call of GetRateLimits whose body is said to have `length` bytes: status and all the rest.
async fn post(address: SocketAddr, timeout_field: &str, body: &str, length: usize) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "POST /v1/GetRateLimits HTTP/1.1\r\nhost: x\r\nconnection: close\r\ngrpc-timeout: {timeout_field}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = Vec::new();
    let whole = timeout(SOON, stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    // A peer that closes on what we have sent and it has not read may reset the connection.
    assert!(whole.is_ok(), "no whole answer within {SOON:?}, only {text:?}");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {text:?}")), text)
}

#[tokio::test]
async fn a_timeout_of_ages_is_a_timeout() {
    let mut ring = Ring::of(2).await;
    let (key, _) = key_of_another(&ring.clients[0]).await;
    let node = ring.daemon.nodes()[0].clone();
    let send = connect(node.grpc, &Builder::new()).await;
    let mut left = 10;
    for field in ["99999999H", "99999999M", "99999999S"] {
        for behavior in [Behavior::Batching, Behavior::NoBatching] {
            let piece = [body(vec![with(behavior, token(&key, 1, 10, 600_000))])];
            let answer = exchange(&send, head(&[("grpc-timeout", field)]), &piece).await.expect("an answer");
            assert_eq!(answer.code(), Some(Code::Ok), "{field}: {:?}", answer.fields);
            left -= 1;
            assert_eq!(decision(&answer.replies()[0]), (Under, left), "{field}");
        }
    }
    let ages = ["1000000000000000S", "18446744073709551615H"];
    for (field, behavior) in ages.iter().flat_map(|field| [(field, "BATCHING"), (field, "NO_BATCHING")]) {
        let request = json!({"requests": [{"name": "e2e", "uniqueKey": key, "hits": 1, "limit": 10,
            "duration": 600_000, "behavior": behavior}]})
        .to_string();
        let (status, text) = post(node.http, field, &request, request.len()).await;
        left -= 1;
        assert_eq!(status, 200, "{field}: {text}");
        assert!(text.contains(&format!(r#""remaining":"{left}""#)), "{field}: {text}");
    }
    assert!(ring.daemon.runs());
    assert!(!ring.daemon.log().contains("panicked"), "{}", ring.daemon.log());
}

#[tokio::test]
async fn what_is_no_timeout_is_refused_and_one_that_is_over_takes_no_hits() {
    let daemon = Launch::serve().start().await;
    let send = connect(daemon.node().grpc, &Builder::new()).await;
    let piece = [body(vec![token("over", 1, 10, 600_000)])];
    let cases = [
        ("999999999S", Code::Internal),
        ("1", Code::Internal),
        ("S", Code::Internal),
        ("-1S", Code::Internal),
        ("1s", Code::Internal),
        ("0n", Code::DeadlineExceeded),
        ("0H", Code::DeadlineExceeded),
    ];
    for (field, code) in cases {
        let answer = exchange(&send, head(&[("grpc-timeout", field)]), &piece).await.expect("an answer");
        assert_eq!(answer.code(), Some(code), "{field}: {:?}", answer.fields);
    }
    let client = daemon.node().client().await;
    assert_eq!(decision(&client.hit_one(token("over", 0, 10, 600_000)).await), (Under, 10));
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_with_the_deadline() {
    let daemon = Launch::serve().start().await;
    let began = Instant::now();
    let send = connect(daemon.node().grpc, &Builder::new()).await;
    let whole = body(vec![token("stalled", 1, 10, 600_000)]);
    for piece in [Bytes::new(), whole.slice(..3), whole.slice(..whole.len() - 1), whole] {
        let mut send = send.clone().ready().await.expect("a connection");
        let (response, mut stream) =
            send.send_request(head(&[("grpc-timeout", "1S")]), false).expect("a head");
        stream.send_data(piece.clone(), false).expect("a piece");
        let answer = timeout(SOON, read(response)).await.expect("an answer in time").expect("an answer");
        assert_eq!(answer.code(), Some(Code::DeadlineExceeded), "{piece:?}: {:?}", answer.fields);
    }
    for part in ["", r#"{"requests":[{"name":"e2e""#] {
        let (status, text) = post(daemon.node().http, "1S", part, 1_000).await;
        assert_eq!(status, 504, "{text}");
        assert!(text.contains(r#""code":4"#), "{text}");
    }
    assert!(began.elapsed() >= Duration::from_secs(5), "each had its second: {:?}", began.elapsed());
    let client = daemon.node().client().await;
    assert_eq!(decision(&client.hit_one(token("stalled", 0, 10, 600_000)).await), (Under, 10));
}

#[tokio::test]
async fn a_caller_in_haste_makes_no_peer_unhealthy() {
    let ring = Ring::of(2).await;
    let client = &ring.clients[0];
    let (key, _) = key_of_another(client).await;
    let send = connect(ring.daemon.nodes()[0].grpc, &Builder::new()).await;
    let mut late = 0;
    for turn in 0..300 {
        // Some make it and some do not; the shortest never does.
        let field = ["900u", "100u", "1n"][turn % 3];
        let behavior = [Behavior::Batching, Behavior::NoBatching][turn % 2];
        let piece = [body(vec![with(behavior, token(&key, 0, 10, 600_000))])];
        let answer = exchange(&send, head(&[("grpc-timeout", field)]), &piece).await.expect("an answer");
        let made_it = answer.code() == Some(Code::Ok) && answer.replies()[0].error.is_empty();
        late += u32::from(!made_it);
    }
    assert!(late > 0, "nobody was in haste enough");
    let health = client.health().await.expect("healthy");
    assert_eq!((health.status.as_str(), health.message.as_str()), ("healthy", ""), "{late} of 300 were late");
    let reply = client.hit_one(token(&key, 1, 10, 600_000)).await;
    assert_eq!(decision(&reply), (Under, 9));
    assert!(!reply.metadata.contains_key("degraded"), "{reply:?}");
}
