//! Connections that do not speak the protocol, or stop in the middle of it.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::launch::Launch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::still_serves;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Opens a connection and writes `bytes`; what is refused half way is fine.
async fn opened(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let _refused_midway = stream.write_all(bytes).await;
    stream
}

#[tokio::test]
async fn garbage_on_either_port_harms_nobody_else() {
    let mut daemon = Launch::serve().start().await;
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    // A frame that says it is 16 MiB long; one of an unknown kind on stream 0; headers on an even stream.
    let huge = [PREFACE, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat();
    let unknown = [PREFACE, &[0, 0, 1, 0xee, 0, 0, 0, 0, 0, 0]].concat();
    let even = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, 1, 1, 5, 0, 0, 0, 2, 0xff]].concat();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    let openings: [&[u8]; 8] = [
        b"\0\0\0\0",
        &noise,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/GetRateLimits HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        &huge,
        &unknown,
        &even,
        long.as_bytes(),
    ];
    for address in [daemon.node().grpc, daemon.node().http] {
        for bytes in openings {
            let mut stream = opened(address, bytes).await;
            // Whatever it answers, it need not answer at all: what counts is that others are served.
            let mut answer = [0; 1024];
            let _silence_is_fine = timeout(Duration::from_millis(50), stream.read(&mut answer)).await;
        }
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn connections_that_stop_in_the_middle_keep_nobody_waiting() {
    let mut daemon = Launch::serve().start().await;
    let openings: [&[u8]; 6] = [
        b"",
        b"PRI * HTTP/2.0\r\n",
        PREFACE,
        b"POST /v1/GetRateLimits HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/GetRateLimits HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"requests\":[",
        b"POST /v1/GetRateLimits HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n",
    ];
    let mut held = Vec::new();
    for address in [daemon.node().grpc, daemon.node().http] {
        for bytes in openings.iter().cycle().take(120) {
            held.push(opened(address, bytes).await);
        }
    }
    still_serves(&mut daemon).await;
    assert_eq!(held.len(), 240, "while all of them were open");
    drop(held);
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn callers_who_leave_in_the_middle_of_a_call_harm_nobody_else() {
    let mut daemon = Launch::serve().start().await;
    let mut calls = Vec::new();
    for _ in 0..50 {
        let client = daemon.node().client().await;
        calls.push(tokio::spawn(async move {
            let items = (0..1000).map(|item| crate::requests::token(&format!("left/{item}"), 1, 10, 60_000));
            let _whoever_is_quick = client.try_hit(items.collect()).await;
        }));
    }
    tokio::task::yield_now().await;
    for call in calls {
        call.abort();
    }
    still_serves(&mut daemon).await;
}
