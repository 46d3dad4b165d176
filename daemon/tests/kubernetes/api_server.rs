//! As much of an API server as daemons see: lists and watches of EndpointSlices and ConfigMaps.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use http::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The namespace of everything.
pub(super) const NAMESPACE: &str = "edge";

/// One object, by its plural and name.
type Key = (String, String);

/// Something that happened to an object, as a watch tells it.
#[derive(Clone, Debug)]
struct Happened {
    version: u64,
    kind: &'static str,
    plural: String,
    object: Value,
}

#[derive(Debug, Default)]
struct World {
    version: u64,
    objects: BTreeMap<Key, Value>,
    history: Vec<Happened>,
    /// Versions before this one are forgotten: a watch from there is told that they are gone.
    forgotten: u64,
    forbidden: bool,
    lists: usize,
    watches: usize,
    /// The field selectors that were asked with.
    asked: Vec<String>,
}

/// The server; it listens until it is stopped, and again at the same place once started.
pub(super) struct ApiServer {
    shared: Arc<Shared>,
    at: SocketAddr,
    serving: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
}

impl ApiServer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let server = Self { shared: Arc::default(), at, serving: Mutex::default() };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let router = Router::new()
            .route("/api/v1/namespaces/{namespace}/{plural}", get(answer))
            .route("/apis/discovery.k8s.io/v1/namespaces/{namespace}/{plural}", get(answer))
            .with_state(Arc::clone(&self.shared));
        let serving = tokio::spawn(async move {
            // Dropped with the task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                connections.spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    builder.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        *self.serving.lock().unwrap() = Some(serving);
    }

    /// Cuts every connection and takes no more.
    pub(super) async fn stop(&self) {
        let serving = self.serving.lock().unwrap().take().expect("it serves");
        serving.abort();
        serving.await.ok();
    }

    /// Listens again where it did before.
    pub(super) fn start_again(&self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.at).unwrap();
        self.serve(socket.listen(64).unwrap());
    }

    /// What a kubeconfig says of it.
    pub(super) fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: it\n\
             clusters: [{{name: it, cluster: {{server: 'http://{}'}}}}]\n\
             contexts: [{{name: it, context: {{cluster: it, user: it}}}}]\n\
             users: [{{name: it, user: {{}}}}]\n",
            self.at
        )
    }

    /// Makes or replaces an object.
    pub(super) fn apply(&self, plural: &str, mut object: Value) {
        let mut world = self.shared.world.lock().unwrap();
        world.version += 1;
        let version = world.version;
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        object["metadata"]["namespace"] = json!(NAMESPACE);
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let known = world.objects.insert((plural.to_owned(), name), object.clone());
        let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
        world.history.push(Happened { version, kind, plural: plural.to_owned(), object });
        drop(world);
        self.shared.changed.send_replace(version);
    }

    /// Deletes an object.
    pub(super) fn delete(&self, plural: &str, name: &str) {
        let mut world = self.shared.world.lock().unwrap();
        world.version += 1;
        let version = world.version;
        let key = (plural.to_owned(), name.to_owned());
        let mut object = world.objects.remove(&key).expect("it is there");
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        world.history.push(Happened { version, kind: "DELETED", plural: plural.to_owned(), object });
        drop(world);
        self.shared.changed.send_replace(version);
    }

    /// Forgets what has happened so far: whoever watches is told that it is gone, and so is whoever
    /// wants to go on from there.
    pub(super) fn forget(&self) {
        let mut world = self.shared.world.lock().unwrap();
        world.version += 1;
        world.forgotten = world.version;
        let version = world.version;
        drop(world);
        self.shared.changed.send_replace(version);
    }

    /// From now on nobody may read anything, or may again.
    pub(super) fn forbid(&self, forbidden: bool) {
        self.shared.world.lock().unwrap().forbidden = forbidden;
    }

    /// Lists and watches that were asked for so far.
    pub(super) fn counts(&self) -> (usize, usize) {
        let world = self.shared.world.lock().unwrap();
        (world.lists, world.watches)
    }

    /// The field selectors that ConfigMaps were asked for with.
    pub(super) fn asked(&self) -> Vec<String> {
        self.shared.world.lock().unwrap().asked.clone()
    }
}

fn parse(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), decode(value))).collect()
}

/// Takes back what is written as `%` and two digits.
fn decode(value: &str) -> String {
    let mut pieces = value.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at(2);
        text.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        text.push_str(rest);
    }
    text
}

/// Whether selectors of a request select an object.
fn selects(query: &BTreeMap<String, String>, object: &Value) -> bool {
    let pairs = |name: &str| {
        let text = query.get(name).cloned().unwrap_or_default();
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let labelled =
        pairs("labelSelector").iter().all(|(key, value)| object["metadata"]["labels"][key] == **value);
    let field = |key: &str| object["metadata"][key.trim_start_matches("metadata.")].clone();
    labelled && pairs("fieldSelector").iter().all(|(key, value)| field(key) == **value)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Path((_, plural)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = parse(&query.unwrap_or_default());
    let watches = query.contains_key("watch");
    let mut world = shared.world.lock().unwrap();
    *if watches { &mut world.watches } else { &mut world.lists } += 1;
    world.asked.extend(query.get("fieldSelector").cloned());
    if world.forbidden {
        return refusal(StatusCode::FORBIDDEN, "Forbidden", "the account may not read this");
    }
    if watches {
        // What has no end cannot be told from a server that has fallen silent.
        if !query.contains_key("timeoutSeconds") {
            return refusal(StatusCode::BAD_REQUEST, "BadRequest", "a watch needs an end");
        }
        let from = query.get("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
        drop(world);
        return watch_from(shared, plural, query, from);
    }
    let of = |key: &&Key| key.0 == plural;
    let found = world.objects.iter().filter(|(key, object)| of(key) && selects(&query, object));
    let items: Vec<_> = found.map(|(_, object)| object.clone()).collect();
    let metadata = json!({ "resourceVersion": world.version.to_string() });
    render(
        StatusCode::OK,
        &json!({ "apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items }),
    )
}

fn refusal(code: StatusCode, reason: &str, message: &str) -> Response {
    render(code, &status(code, reason, message))
}

fn render(code: StatusCode, value: &Value) -> Response {
    (code, [("content-type", "application/json")], value.to_string()).into_response()
}

fn status(code: StatusCode, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    })
}

/// A stream of all that happened since `from` and will happen.
fn watch_from(shared: Arc<Shared>, plural: String, query: BTreeMap<String, String>, from: u64) -> Response {
    let changed = shared.changed.subscribe();
    let lines = stream::unfold((shared, changed, from), move |(shared, mut changed, from)| {
        let (plural, query) = (plural.clone(), query.clone());
        async move {
            loop {
                changed.mark_unchanged();
                let next = {
                    let world = shared.world.lock().unwrap();
                    if world.forgotten > from {
                        let gone = status(StatusCode::GONE, "Expired", "too old resource version");
                        Some((u64::MAX, json!({ "type": "ERROR", "object": gone })))
                    } else {
                        let after = world.history.iter().filter(|happened| happened.version > from);
                        let mut ours =
                            after.filter(|one| one.plural == plural && selects(&query, &one.object));
                        let line = |one: &Happened| json!({ "type": one.kind, "object": one.object });
                        ours.next().map(|one| (one.version, line(one)))
                    }
                };
                if let Some((version, line)) = next {
                    let line = format!("{line}\n");
                    return Some((Ok::<_, Infallible>(line), (shared, changed, version)));
                }
                changed.changed().await.ok()?;
            }
        }
    });
    Body::from_stream(lines).into_response()
}
