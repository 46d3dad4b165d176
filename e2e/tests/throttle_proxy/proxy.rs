//! A running proxy, by its file.

use std::net::SocketAddr;

use bytes::Bytes;
use e2e::clock::{await_condition, await_some};
use e2e::http::{Http, Reply};
use e2e::launch::Launch;
use e2e::process::{Process, Signal};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::upstream::{Prometheus, Upstream};
use crate::manifests::Manifests;

/// A `wicketgated proxy` that serves.
pub(crate) struct Proxy {
    process: Process,
    pub(crate) at: SocketAddr,
    internal: Http,
    client: Client<HttpConnector, Full<Bytes>>,
    _folder: Manifests,
}

impl Proxy {
    /// Before `upstream`, with these lines of YAML beside it. Everything under `/t/` goes through the chain.
    pub(crate) async fn start(upstream: &str, lines: &str) -> Self {
        Self::start_with(&["--signal-interval", "100ms"], upstream, lines).await
    }

    /// As [`Proxy::start`], with these arguments.
    pub(crate) async fn start_with(arguments: &[&str], upstream: &str, lines: &str) -> Self {
        let text = format!(
            "upstream: {upstream}\ninsecure_listen_addr: 127.0.0.1:0\ninternal_listen_addr: 127.0.0.1:0\n{lines}\n"
        );
        let folder = Manifests::new();
        let file = folder.write("throttle-proxy.yaml", &text);
        let launch = arguments.iter().fold(Launch::proxy(&file), |launch, argument| launch.arg(argument));
        let mut process = launch.spawn();
        let (at, internal) = await_some("the proxy serves", async || {
            if let Some(status) = process.ending() {
                panic!("wicketgated proxy ended with {status} before it served");
            }
            let records = process.stderr.records();
            let serving = records.iter().find(|record| record["message"] == "serving")?;
            let address = |field: &str| serving[field].as_str()?.parse().ok();
            Some((address("proxy")?, address("internal")?))
        })
        .await;
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { process, at, internal: Http::new(internal), client, _folder: folder }
    }

    /// One request, whose path is as it is.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        self.try_send(method, path, headers, body)
            .await
            .unwrap_or_else(|error| panic!("no reply to {path}: {error}"))
    }

    /// One request, or why there is no whole answer.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Reply, String> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.at));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a request");
        let response = self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    /// A request that is sent and not read; it is given up when this is dropped.
    pub(crate) async fn hang(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.at).await.expect("a connection");
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", self.at);
        stream.write_all(head.as_bytes()).await.expect("a request is written");
        stream
    }

    /// A client of the internal listener.
    pub(crate) const fn internal(&self) -> &Http {
        &self.internal
    }

    /// The value of one series.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        self.internal.metric(series).await
    }

    /// Waits until a series has a value.
    pub(crate) async fn await_metric(&self, series: &str, value: f64) {
        let what = format!("{series} is {value}");
        await_condition(&what, async || self.metric(series).await == Some(value)).await;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The exit code, once it has ended.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        self.process.ended().await.code()
    }

    pub(crate) fn log(&self) -> String {
        self.process.stderr.text()
    }
}

/// Lines with everything under `/t/` in the chain, which counts and does what `links` say.
pub(crate) fn chain(links: &str) -> String {
    format!("proxy_paths: [/t/, /api/v1/query]\nproxymw_config:\n  enable_observer: true\n{links}")
}

/// A chain with a window between these bounds, and one signal named `load`: 10 warns, 100 is an emergency.
pub(crate) fn window(prometheus: &Prometheus, bounds: (u32, u32), more: &str) -> String {
    let (min, max) = bounds;
    chain(&format!(
        "  backpressure_config:
    enable_backpressure: true
    backpressure_monitoring_url: {}
    backpressure_queries: [{{name: load, query: sum(load), warning_threshold: 10, emergency_threshold: 100}}]
    congestion_window_min: {min}
    congestion_window_max: {max}
{more}",
        prometheus.url()
    ))
}

/// Waits until the upstream has been asked so often.
pub(crate) async fn await_seen(upstream: &Upstream, count: usize) {
    await_condition("the upstream is asked", async || upstream.seen().len() >= count).await;
}
