//! gRPC below the message, frame by frame: what a client that speaks HTTP/2 well and gRPC badly sends.

use bytes::Bytes;
use e2e::launch::Launch;
use futures_util::future::join_all;
use h2::client::Builder;
use http::StatusCode;
use tonic::Code;

use super::still_serves;
use crate::requests::{Under, decision, token};
use crate::streams::{body, connect, exchange, head};

/// What is wrong, fields of the head, pieces of the body, and how it is refused.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<Bytes>, Code);

fn call(key: &str, items: usize) -> Bytes {
    body(vec![token(key, 1, 10_000, 60_000); items])
}

#[tokio::test]
async fn frames_that_grpc_does_not_know_are_refused() {
    let mut daemon = Launch::serve().start().await;
    let send = connect(daemon.node().grpc, &Builder::new()).await;
    let good = call("frames", 1);
    let flagged = |flag: u8| Bytes::from([&[flag], &good[1..]].concat());
    let gzip = [("grpc-encoding", "gzip")];
    let nonsense = [("grpc-encoding", "nonsense")];
    let cases: [Case<'_>; 8] = [
        ("compressed without an encoding", &[], vec![flagged(1)], Code::Internal),
        ("compressed in a way that is not spoken", &gzip, vec![flagged(1)], Code::Unimplemented),
        ("compressed in no known way", &nonsense, vec![flagged(1)], Code::Unimplemented),
        ("a flag that does not exist", &[], vec![flagged(2)], Code::Internal),
        ("no message", &[], vec![], Code::Internal),
        ("half a prefix", &[], vec![Bytes::from_static(&[0, 0, 0])], Code::Internal),
        ("half a message", &[], vec![good.slice(..good.len() - 3)], Code::Internal),
        (
            "a length above the bound, and nothing of the message",
            &[],
            vec![Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff])],
            Code::ResourceExhausted,
        ),
    ];
    let mut differ = Vec::new();
    for (what, fields, pieces, code) in cases {
        let answer = exchange(&send, head(fields), &pieces).await.unwrap();
        let says_why = answer.fields.get("grpc-message").is_some_and(|message| !message.is_empty());
        if (answer.status, answer.code(), says_why) != (StatusCode::OK, Some(code), true) {
            differ.push(format!("{what}: not {code:?}, but {} {:?}", answer.status, answer.fields));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn only_grpc_is_a_type_that_is_served() {
    let mut daemon = Launch::serve().start().await;
    let send = connect(daemon.node().grpc, &Builder::new()).await;
    let good = [call("types", 1)];
    let other = ["text/plain", "application/json", "application/grpc-web", "application/grpc-web+proto"];
    for kind in other.into_iter().chain(["application/grpcs", ""]) {
        let answer = exchange(&send, head(&[("content-type", kind)]), &good).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind:?}");
    }
    let ours = ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"];
    for (kind, left) in ours.into_iter().zip([9_999, 9_998, 9_997]) {
        let answer = exchange(&send, head(&[("content-type", kind)]), &good).await.unwrap();
        assert_eq!((answer.status, answer.code()), (StatusCode::OK, Some(Code::Ok)), "{kind:?}");
        assert_eq!(decision(&answer.replies()[0]), (Under, left), "what was refused was not counted");
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn a_call_in_pieces_is_a_call() {
    let mut daemon = Launch::serve().start().await;
    let send = connect(daemon.node().grpc, &Builder::new()).await;
    let whole = call("pieces", 3);
    let bytes: Vec<_> = (0..whole.len()).map(|at| whole.slice(at..=at)).collect();
    let ended_apart = vec![whole, Bytes::new()];
    for (pieces, left) in [(bytes, 9_997), (ended_apart, 9_994)] {
        let answer = exchange(&send, head(&[]), &pieces).await.unwrap();
        assert_eq!(answer.code(), Some(Code::Ok));
        assert_eq!(decision(&answer.replies()[2]), (Under, left));
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn a_reader_with_a_small_window_gets_a_long_reply_whole() {
    let mut daemon = Launch::serve().start().await;
    let mut narrow = Builder::new();
    narrow.initial_window_size(100).initial_connection_window_size(65_535);
    let send = connect(daemon.node().grpc, &narrow).await;
    let answer = exchange(&send, head(&[]), &[call("narrow", 1_000)]).await.unwrap();
    let left: Vec<_> = answer.replies().iter().map(|reply| decision(reply).1).collect();
    assert_eq!(left, (9_000..10_000).rev().collect::<Vec<_>>());
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn many_streams_of_one_connection_are_all_answered() {
    let mut daemon = Launch::serve().start().await;
    // As clients do, it holds back until it knows how many streams the server takes, and has room for the
    // replies of all of them.
    let mut patient = Builder::new();
    patient.initial_max_send_streams(100).initial_connection_window_size(5 << 20);
    let send = connect(daemon.node().grpc, &patient).await;
    let piece = [call("streams", 1)];
    let answers = join_all((0..2_000).map(|_| exchange(&send, head(&[]), &piece))).await;
    let mut left: Vec<_> =
        answers.iter().map(|answer| decision(&answer.as_ref().unwrap().replies()[0]).1).collect();
    left.sort_unstable();
    assert_eq!(left, (8_000..10_000).collect::<Vec<_>>(), "each counted once");
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn streams_that_are_reset_at_once_cost_nobody_their_answer() {
    let mut daemon = Launch::serve().start().await;
    let address = daemon.node().grpc;
    for _ in 0..4 {
        let mut send = connect(address, &Builder::new()).await;
        for _ in 0..500 {
            // The server may end a connection that does this, which is its right.
            let Ok(ready) = send.ready().await else { break };
            send = ready;
            let Ok((_, mut stream)) = send.send_request(head(&[]), false) else { break };
            stream.send_reset(h2::Reason::CANCEL);
        }
    }
    still_serves(&mut daemon).await;
}
