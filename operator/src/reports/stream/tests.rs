use std::{convert::Infallible, pin::Pin};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::*;
use crate::{clock, reports::lines::MAX_LINE};

impl From<Infallible> for StreamError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A body of these pieces, each after its wait; it then says no more, and stays open.
fn body(pieces: Vec<(Duration, String)>) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let frames = stream::unfold(pieces.into_iter(), |mut pieces| async move {
        let Some((wait, piece)) = pieces.next() else { return std::future::pending().await };
        tokio::time::sleep(wait).await;
        Some((Ok(Frame::data(Bytes::from(piece))), pieces))
    });
    StreamBody::new(Box::pin(frames) as Pin<Box<dyn stream::Stream<Item = _> + Send>>)
}

fn report(revision: &str) -> String {
    let report = PodReport { revision: revision.into(), peers: 3, ..PodReport::default() };
    format!("{}\n", serde_json::to_string(&report).unwrap())
}

async fn read_all(pieces: Vec<(Duration, String)>) -> (Vec<String>, StreamError) {
    let mut revisions = Vec::new();
    let error = read(body(pieces), |report| revisions.push(report.revision)).await;
    (revisions, error)
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_keeps_its_heartbeat_is_not_lost_and_one_that_does_not_is() {
    let begun = clock::instant();
    let pieces = (0..100).map(|n| (HEARTBEAT, report(&n.to_string()))).collect();
    let (revisions, error) = read_all(pieces).await;
    assert_eq!(revisions.len(), 100);
    assert!(matches!(error, StreamError::Silence), "{error}");
    assert_eq!(begun.elapsed(), HEARTBEAT * 100 + SILENCE);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_silent_from_the_start_is_lost() {
    let (revisions, error) = read_all(Vec::new()).await;
    assert!(revisions.is_empty());
    assert!(matches!(error, StreamError::Silence), "{error}");
}

#[tokio::test]
async fn reports_before_a_broken_line_count_and_none_after_it() {
    let text = format!("{}{}not json\n{}", report("a"), report("b"), report("c"));
    let (revisions, error) = read_all(vec![(Duration::ZERO, text)]).await;
    assert_eq!(revisions, ["a", "b"]);
    assert!(matches!(error, StreamError::Line(_)), "{error}");
}

#[tokio::test]
async fn a_line_without_end_ends_the_stream() {
    let pieces = (0..=MAX_LINE / 1024).map(|_| (Duration::ZERO, "x".repeat(1024))).collect();
    let (_, error) = read_all(pieces).await;
    assert!(matches!(error, StreamError::TooLong(_)), "{error}");
}

#[tokio::test]
async fn fields_of_a_newer_daemon_are_let_through() {
    let text = r#"{"revision":"a","peers":1,"ring":"r","buckets":0,"newer":{"deep":[1]}}"#;
    let (revisions, _) =
        read_all(vec![(Duration::ZERO, format!("{text}\n")), (Duration::ZERO, "!\n".into())]).await;
    assert_eq!(revisions, ["a"]);
}
