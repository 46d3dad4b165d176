//! A daemon with one policy, before an upstream.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::bodies::{Body, empty};
use e2e::clock::{PATIENCE, await_condition};
use e2e::daemon::Daemon;
use e2e::http::Reply;
use e2e::launch::Launch;
use e2e::ports;
use e2e::wire::{Answer, Wire};
use http::{Request, StatusCode};

use crate::manifests::{Manifests, cluster, resource};

/// The body of a refusal by the window.
pub(crate) const CLOSED: &str = "{\"status\":\"error\",\"errorType\":\"throttle-proxy\",\"error\":\"congestion window closed, backoff from backpressure\"}\n";

/// A policy that is served.
pub(crate) struct Proxy {
    pub(crate) daemon: Daemon,
    pub(crate) manifests: Manifests,
    /// Its listener.
    pub(crate) at: SocketAddr,
}

impl Proxy {
    /// A fixed window of 10, and more of the spec, a line each.
    pub(crate) async fn before(upstream: SocketAddr, spec: &[&str]) -> Self {
        Self::with_window(10, upstream, spec).await
    }

    /// A fixed window of this size, and more of the spec, a line each.
    pub(crate) async fn with_window(window: u32, upstream: SocketAddr, spec: &[&str]) -> Self {
        let at = ports::lasting();
        Self::of(at, &[&policy(at, window, upstream, spec)]).await
    }

    /// These documents beside a cluster; the first is a policy that listens at `at`.
    pub(crate) async fn of(at: SocketAddr, documents: &[&str]) -> Self {
        Self::launched(at, documents, |launch| launch).await
    }

    /// The same, started as `how` says.
    pub(crate) async fn launched(
        at: SocketAddr,
        documents: &[&str],
        how: impl FnOnce(Launch) -> Launch,
    ) -> Self {
        let manifests = Manifests::new();
        manifests.write("cluster.yaml", &cluster(1, &["drain: {timeout: 10s}"]));
        manifests.write("policy.yaml", &documents.join("---\n"));
        let daemon = how(manifests.standalone(1)).start().await;
        Self { daemon, manifests, at }
    }

    /// Puts other documents in the place of the policy's.
    pub(crate) fn change(&self, documents: &[&str]) {
        self.manifests.write("policy.yaml", &documents.join("---\n"));
    }

    /// A new connection, by the byte.
    pub(crate) async fn wire(&self) -> Wire {
        Wire::to(self.at).await
    }

    /// The answer to a whole request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Answer {
        let mut wire = self.wire().await;
        wire.send(request).await;
        let method = request.split(' ').next().unwrap();
        wire.answer(method).await.unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    /// GET of a path on a connection of its own, with more headers, a line each.
    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n{more}\r\n")).await
    }

    /// A request for a path that waits for the upstream's release, once it is in flight.
    pub(crate) async fn held(&self) -> Wire {
        let before = self.in_flight().await;
        let mut wire = self.wire().await;
        wire.send("GET /hold HTTP/1.1\r\nhost: test\r\n\r\n").await;
        self.flies(before + 1).await;
        wire
    }

    /// What the daemon says of its first policy.
    pub(crate) async fn report(&self) -> serde_json::Value {
        let reply = self.daemon.node().http().get("/wicketgate/v1/report").await;
        reply.json()["policies"].get(0).cloned().unwrap_or_default()
    }

    /// Requests that have a place in the window.
    pub(crate) async fn in_flight(&self) -> i64 {
        self.report().await["inFlight"].as_i64().expect("a policy's report")
    }

    /// Waits until so many requests have a place in the window.
    pub(crate) async fn flies(&self, expected: i64) {
        await_condition(&format!("{expected} in flight"), async || self.in_flight().await == expected).await;
    }

    /// Waits until a series, given with its labels, has a value.
    pub(crate) async fn metric(&self, series: &str, expected: f64) {
        let http = self.daemon.node().http();
        let mut last = None;
        let waited = tokio::time::timeout(PATIENCE, async {
            while last != Some(expected) {
                last = http.metric(series).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(waited.await.is_ok(), "{series} is {last:?} and not {expected}");
    }

    /// The process lives, nothing in it has panicked, it answers others, and nothing is in flight.
    pub(crate) async fn is_at_rest(&mut self) {
        assert!(self.daemon.runs(), "the process is alive");
        self.flies(0).await;
        self.metric("proxymw_active_requests{policy=\"test/web\"}", 0.0).await;
        let reply: Reply = self.daemon.node().http().get("/readyz").await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        let log = self.daemon.log();
        assert!(!log.contains("panicked"), "nothing panicked:\n{log}");
    }

    /// The same, and it forwards to a living upstream.
    pub(crate) async fn still_forwards(&mut self) {
        self.flies(0).await;
        let answer = self.get("/", &[]).await;
        assert_eq!((answer.head.status(), answer.body.as_slice()), (200, b"hello".as_slice()));
        self.is_at_rest().await;
    }
}

/// A policy named `web` with a fixed window, and more of its spec, a line each.
pub(crate) fn policy(at: SocketAddr, window: u32, upstream: SocketAddr, spec: &[&str]) -> String {
    policy_of("web", at, upstream, &[&[format!("window: {{min: 1, max: {window}}}").as_str()], spec].concat())
}

/// A policy whose algorithm is fixed; its window is given among the lines of its spec.
pub(crate) fn policy_of(name: &str, at: SocketAddr, upstream: SocketAddr, spec: &[&str]) -> String {
    let (listener, upstream) =
        (format!("listener: {{port: {}}}", at.port()), format!("upstream: {{url: \"http://{upstream}\"}}"));
    let mut lines = vec!["clusterRef: {name: main}", listener.as_str(), "algorithm: {type: Fixed}"];
    if !spec.iter().any(|line| line.starts_with("upstream:")) {
        lines.push(&upstream);
    }
    resource("BackpressurePolicy", name, &[&lines, spec].concat())
}

/// A request without a body, for clients that are not by the byte.
pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(empty()).unwrap()
}
