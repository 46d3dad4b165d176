use crds::report::Refusal;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::node::NodeSettings;

fn served() -> (Arc<Node>, CancellationToken, Router) {
    let node = Arc::new(Node::new(NodeSettings::for_test("10.0.0.1:1052")).unwrap());
    let drain = CancellationToken::new();
    (Arc::clone(&node), drain.clone(), report_routes(node, drain))
}

async fn ask(router: &Router, query: &str) -> Response {
    let request = Request::get(format!("{PATH}{query}")).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn line(body: &mut Body) -> Option<PodReport> {
    let frame = body.frame().await?.unwrap();
    let bytes = frame.into_data().unwrap();
    assert!(bytes.ends_with(b"\n"), "{bytes:?}");
    Some(serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn one_report_is_answered_at_once() {
    let (node, _, router) = served();
    let response = ask(&router, "").await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    let report = line(&mut response.into_body()).await.unwrap();
    assert_eq!(report, node.report());
    assert_eq!((report.revision.as_str(), report.peers, report.draining), ("", 0, false));
}

#[tokio::test]
async fn a_stream_tells_every_change_and_ends_with_the_node() {
    let (node, drain, router) = served();
    let response = ask(&router, "?watch=true").await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/x-ndjson");
    let mut body = response.into_body();
    assert!(line(&mut body).await.is_some());
    let refusal = Refusal { revision: "2".to_owned(), reason: "bad".to_owned() };
    node.refuse(refusal.clone());
    assert_eq!(line(&mut body).await.unwrap().refused, Some(refusal));
    node.start_draining();
    assert!(line(&mut body).await.unwrap().draining);
    drain.cancel();
    assert_eq!(line(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn silence_is_never_longer_than_the_heartbeat() {
    let (_, _drain, router) = served();
    let mut body = ask(&router, "?watch=true").await.into_body();
    for _ in 0..3 {
        let line = tokio::time::timeout(HEARTBEAT, line(&mut body)).await;
        assert!(line.is_ok_and(|line| line.is_some()));
    }
}

#[tokio::test]
async fn streams_are_bounded_and_give_back_their_place() {
    let (_, _drain, router) = served();
    let mut open = Vec::new();
    for _ in 0..MAX_STREAMS {
        open.push(ask(&router, "?watch=true").await);
    }
    assert_eq!(ask(&router, "?watch=true").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(&router, "").await.status(), StatusCode::OK);
    open.pop();
    assert_eq!(ask(&router, "?watch=true").await.status(), StatusCode::OK);
}
