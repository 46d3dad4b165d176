use std::collections::HashSet;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::*;

fn limit(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("wicketgate.dev/v1alpha1".into()),
        kind: Some("RateLimit".into()),
        namespace: Some("edge".into()),
        name: Some(name.into()),
        uid: Some(format!("uid-of-{name}")),
        ..ObjectReference::default()
    }
}

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new().unwrap())
}

async fn read(request: Request<Body>) -> Value {
    serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn an_event_is_created_in_the_object_s_namespace() {
    let (service, mut server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let events = Events::start(Client::new(service, "default"), "operator-0".into(), metrics());
    events.tell(&limit("checkout"), Reason::Conflicted, "edge/older holds the name");
    let (request, reply) = server.next_request().await.unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri().path(), "/apis/events.k8s.io/v1/namespaces/edge/events");
    let event = read(request).await;
    reply.send_response(Response::new(Body::from(event.to_string().into_bytes())));
    for (field, value) in [
        ("reason", "Conflicted"),
        ("type", "Warning"),
        ("action", "Validate"),
        ("note", "edge/older holds the name"),
        ("reportingController", CONTROLLER),
        ("reportingInstance", "operator-0"),
    ] {
        assert_eq!(event[field], value, "{field}");
    }
    assert_eq!(event["regarding"]["uid"], "uid-of-checkout");
}

#[tokio::test]
async fn an_event_that_is_refused_is_counted_and_the_next_is_sent() {
    let (service, mut server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let metrics = metrics();
    let events = Events::start(Client::new(service, "default"), "operator-0".into(), Arc::clone(&metrics));
    events.tell(&limit("first"), Reason::Accepted, "valid");
    events.tell(&limit("second"), Reason::Accepted, "valid");
    let (_, reply) = server.next_request().await.unwrap();
    let refusal = Response::builder().status(StatusCode::FORBIDDEN).body(Body::from(b"{}".to_vec())).unwrap();
    reply.send_response(refusal);
    let (request, _) = server.next_request().await.unwrap();
    assert_eq!(read(request).await["regarding"]["name"], "second");
    assert_eq!(metrics.events_lost().get(), 1);
}

/// Answers the next request with what it brought, and returns its method and its note.
async fn published(
    server: &mut tower_test::mock::Handle<Request<Body>, Response<Body>>,
) -> (Method, String, Value) {
    let (request, reply) = server.next_request().await.unwrap();
    let method = request.method().clone();
    let event = read(request).await;
    reply.send_response(Response::new(Body::from(event.to_string().into_bytes())));
    (method, event["note"].as_str().unwrap().to_owned(), event["series"]["count"].clone())
}

#[tokio::test]
async fn a_warning_that_says_something_new_is_an_event_of_its_own() {
    let (service, mut server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let events = Events::start(Client::new(service, "default"), "operator-0".into(), metrics());
    for (reason, note, method, count) in [
        (Reason::Conflicted, "edge/older holds it", Method::POST, Value::Null),
        (Reason::Conflicted, "edge/older holds it", Method::PATCH, Value::from(2)),
        (Reason::Conflicted, "edge/oldest holds it", Method::POST, Value::Null),
        // What is no warning is counted: a limit that changes often has one event.
        (Reason::Programmed, "since revision 1", Method::POST, Value::Null),
        (Reason::Programmed, "since revision 2", Method::PATCH, Value::from(2)),
    ] {
        events.tell(&limit("checkout"), reason, note);
        let (made, said, counted) = published(&mut server).await;
        assert_eq!((made, counted), (method, count), "{reason:?} {note}");
        if reason.is_warning() {
            assert_eq!(said, note);
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_counted() {
    let (events, waiting) = Events::queue(metrics());
    for _ in 0..MAX_WAITING + 3 {
        events.tell(&limit("checkout"), Reason::Programmed, "3 of 3 pods");
    }
    assert_eq!(waiting.len(), MAX_WAITING);
    assert_eq!(events.metrics.events_lost().get(), 3);
}

#[test]
fn a_long_note_is_cut_between_characters() {
    assert_eq!(shortened("short"), "short");
    let exact = "x".repeat(MAX_NOTE);
    assert_eq!(shortened(&exact), exact);
    let cut = shortened(&"ä".repeat(MAX_NOTE));
    assert!(cut.len() <= MAX_NOTE && cut.len() > MAX_NOTE - 4, "{}", cut.len());
    assert!(cut.starts_with("ää") && cut.ends_with("ä…"));
}

#[test]
fn reasons_are_words_of_their_own() {
    let words: HashSet<_> = Reason::ALL.map(Reason::as_str).into();
    assert_eq!(words.len(), Reason::ALL.len());
    for word in words {
        assert!(word.chars().all(|c| c.is_ascii_alphabetic()) && word.len() <= 128, "{word}");
    }
}
