//! Connections that have lived long enough: they are asked to leave, and callers come back on new ones.

use std::time::{Duration, Instant};

use e2e::clock::await_condition;
use e2e::launch::Launch;
use e2e::process::Signal;
use h2::client::Builder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use super::key_of_another;
use crate::requests::{Under, decision, token};
use crate::rings;
use crate::streams::{body, connect, exchange, head};

const AGE: &str = "GUBER_GRPC_MAX_CONN_AGE_SEC";
/// HTTP/2's kind of frame that asks the other side to leave.
const GOAWAY: u8 = 7;

#[tokio::test]
async fn an_old_connection_is_asked_to_leave_and_a_new_one_served() {
    let daemon = Launch::serve().env(AGE, "1").start().await;
    let mut old = TcpStream::connect(daemon.node().grpc).await.expect("a connection");
    let opened = Instant::now();
    // The preface, and settings that set nothing.
    old.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("a preface");
    let farewell = timeout(Duration::from_secs(10), goaway(&mut old)).await.expect("it comes in time");
    assert_eq!(farewell[4..8], [0; 4], "without an error");
    assert!(opened.elapsed() >= Duration::from_millis(900), "after {:?}", opened.elapsed());

    let new = daemon.node().client().await;
    assert_eq!(decision(&new.hit_one(token("age", 1, 10, 60_000)).await), (Under, 9));
}

/// What the next GOAWAY says: the last stream that is served, an error code, and perhaps some words.
async fn goaway(stream: &mut TcpStream) -> Vec<u8> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame before the connection ends");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.expect("the frame to its end");
        if head[3] == GOAWAY {
            return payload;
        }
    }
}

/// The call waits for an owner that stands still, from before its connection is too old until after.
#[tokio::test]
async fn a_call_under_way_outlives_the_age_of_its_connection() {
    let settings = [(AGE, "2"), ("GUBER_BATCH_TIMEOUT", "15s")];
    let members = rings::processes::<2>(&settings).await;
    let (asked, owner) = (&members[0], &members[1].daemon);
    let (key, _) = key_of_another(&asked.client).await;
    let send = connect(asked.daemon.node().grpc, &Builder::new()).await;
    owner.signal(Signal::Stop);
    let connection = send.clone();
    let call = tokio::spawn(async move {
        let piece = [body(vec![token(&key, 1, 10, 600_000)])];
        exchange(&send, head(&[]), &piece).await
    });
    await_condition("the connection is asked to leave", async || connection.clone().ready().await.is_err())
        .await;
    assert!(!call.is_finished(), "the owner stands still");
    owner.signal(Signal::Cont);
    let answer = call.await.expect("a call that ends").expect("an answer");
    assert_eq!(answer.code(), Some(Code::Ok));
    assert_eq!(decision(&answer.replies()[0]), (Under, 9));
}
