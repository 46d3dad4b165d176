//! Against an API server that has a ConfigMap and perhaps a cluster.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::metrics::Metrics;

/// What the API server knows, and what it was asked.
#[derive(Debug)]
struct Server {
    config_map: Option<Value>,
    cluster: Option<Value>,
    /// For each apply, in turn, instead of taking it.
    refusals: Vec<(u16, &'static str)>,
    applied: Vec<Value>,
    events: Vec<Value>,
    looked_up: usize,
}

impl Default for Server {
    fn default() -> Self {
        let cluster = r#"{"apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimitCluster", "metadata": {"name": "main"}, "spec": {}}"#;
        let config_map = json!({"metadata": {"name": "first", "namespace": "edge", "uid": "uid-1"}, "data": {"cluster.yaml": cluster}});
        Self {
            config_map: Some(config_map),
            cluster: None,
            refusals: Vec::new(),
            applied: Vec::new(),
            events: Vec::new(),
            looked_up: 0,
        }
    }
}

impl Server {
    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &[u8]) -> (u16, Value) {
        const CLUSTER: &str = "/apis/wicketgate.dev/v1alpha1/namespaces/edge/ratelimitclusters/main";
        match (method.as_str(), path) {
            ("GET", "/api/v1/namespaces/edge/configmaps/first") => found(self.config_map.as_ref()),
            ("GET", CLUSTER) => {
                self.looked_up += 1;
                found(self.cluster.as_ref())
            }
            ("PATCH", CLUSTER) => {
                assert!(
                    query.contains("fieldManager=wicketgate-chart") && query.contains("force=true"),
                    "{query}"
                );
                if !self.refusals.is_empty() {
                    let (code, message) = self.refusals.remove(0);
                    return failure(code, message);
                }
                let body: Value = serde_json::from_slice(body).unwrap();
                self.applied.push(body.clone());
                (200, body)
            }
            ("POST", "/apis/events.k8s.io/v1/namespaces/edge/events") => {
                let event: Value = serde_json::from_slice(body).unwrap();
                self.events.push(event.clone());
                (201, event)
            }
            _ => panic!("{method} {path}"),
        }
    }
}

fn found(object: Option<&Value>) -> (u16, Value) {
    object.map_or_else(|| failure(404, "not found"), |object| (200, object.clone()))
}

fn failure(code: u16, message: &str) -> (u16, Value) {
    (code, json!({"status": "Failure", "code": code, "reason": "NotFound", "message": message}))
}

/// A cluster whose owner is a ConfigMap of this name and uid.
fn owned(name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": "main", "namespace": "edge", "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}
        ]}
    })
}

fn client(server: &Arc<Mutex<Server>>) -> Client {
    let (service, mut requests) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let server = Arc::clone(server);
    tokio::spawn(async move {
        while let Some((request, reply)) = requests.next_request().await {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let query = parts.uri.query().unwrap_or_default();
            let (code, answer) = server.lock().unwrap().answer(&parts.method, parts.uri.path(), query, &body);
            let answer = Body::from(answer.to_string().into_bytes());
            reply.send_response(Response::builder().status(code).body(answer).unwrap());
        }
    });
    Client::new(service, "default")
}

/// Runs it to its end, and the queue of events to its own.
async fn apply(server: Server) -> Server {
    let server = Arc::new(Mutex::new(server));
    let metrics = Arc::new(Metrics::new().unwrap());
    let events = Events::start(client(&server), "operator-0".into(), metrics);
    let first = FirstCluster::new(client(&server), "edge".into(), "first".into(), events);
    first.apply(CancellationToken::new()).await;
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
    std::mem::take(&mut *server.lock().unwrap())
}

fn refusal(server: &Server) -> &str {
    assert_eq!(server.applied, [] as [Value; 0]);
    let [event] = server.events.as_slice() else { panic!("{:?}", server.events) };
    assert_eq!(event["reason"], "ClusterRefused");
    assert_eq!(event["regarding"]["uid"], "uid-1");
    event["note"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_made_and_brought_up_to_date() {
    for before in [None, Some(owned("first", "uid-1"))] {
        let server = apply(Server { cluster: before, ..Server::default() }).await;
        let [applied] = server.applied.as_slice() else { panic!("{:?}", server.applied) };
        assert_eq!(applied["metadata"]["ownerReferences"][0]["uid"], "uid-1");
        assert!(server.events.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_else_s_cluster_is_left_alone() {
    let theirs = json!({"metadata": {"name": "main", "namespace": "edge"}});
    for before in [theirs, owned("another", "uid-1")] {
        let server = apply(Server { cluster: Some(before), ..Server::default() }).await;
        assert!(refusal(&server).contains("edge/main exists and was not made by this chart"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_now_is_tried_again() {
    // The definitions are not there yet; then the API server is busy.
    let refusals = vec![(404, "the server could not find the requested resource"), (503, "busy")];
    let server = apply(Server { refusals, ..Server::default() }).await;
    assert_eq!((server.applied.len(), server.looked_up), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_goes_with_an_older_release_is_waited_for() {
    let server = Server { cluster: Some(owned("first", "uid-0")), ..Server::default() };
    let server = Arc::new(Mutex::new(server));
    let events = Events::start(client(&server), "operator-0".into(), Arc::new(Metrics::new().unwrap()));
    let first = FirstCluster::new(client(&server), "edge".into(), "first".into(), events);
    let collect = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let mut server = server.lock().unwrap();
        assert!(server.applied.is_empty() && server.looked_up > 2);
        server.cluster = None;
    };
    tokio::join!(first.apply(CancellationToken::new()), collect);
    assert_eq!(server.lock().unwrap().applied.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_told_and_not_tried_again() {
    let server =
        apply(Server { refusals: vec![(422, "spec.replicas: Invalid value")], ..Server::default() }).await;
    assert!(refusal(&server).contains("spec.replicas: Invalid value"));
    let broken = json!({"metadata": {"name": "first", "namespace": "edge", "uid": "uid-1"}, "data": {"cluster.yaml": "{}"}});
    let server = apply(Server { config_map: Some(broken), ..Server::default() }).await;
    assert!(refusal(&server).contains("cluster.yaml"));
    assert_eq!(server.looked_up, 0);
}

#[tokio::test(start_paused = true)]
async fn without_the_config_map_there_is_nothing_to_do() {
    let server = apply(Server { config_map: None, ..Server::default() }).await;
    assert!(server.applied.is_empty() && server.events.is_empty());
}
