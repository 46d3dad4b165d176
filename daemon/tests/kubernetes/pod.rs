//! One daemon as a pod of the test: an address of the loopback, and what the operator would set.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use crds::report::{PATH, PodReport};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use proto::gubernator::v1_client::V1Client;
use proto::gubernator::{GetRateLimitsReq, RateLimitReq, RateLimitResp};
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use super::api_server::{ApiServer, NAMESPACE};
use super::awaiting::until;

/// The Service whose slices are watched.
pub(super) const SERVICE: &str = "main-peers";
/// What the ConfigMaps of the document are called.
pub(super) const DOCUMENT: &str = "main-document";

/// A kubeconfig, and the port at which all pods of a test serve each other.
pub(super) struct Place {
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
}

impl Place {
    pub(super) fn new(server: &ApiServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), server.kubeconfig()).unwrap();
        // Free now, and given back: the pods bind it on addresses of their own.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr()).unwrap().port();
        Self { folder, port }
    }

    /// The pod's name on the ring.
    pub(super) fn address(&self, number: u8) -> String {
        format!("{}:{}", ip(number), self.port)
    }
}

/// The address of the pod of this number.
pub(super) fn ip(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, number)
}

/// A running daemon.
pub(super) struct Pod {
    child: Child,
    pub(super) grpc: SocketAddr,
    pub(super) http: SocketAddr,
    log: Arc<Mutex<Vec<Value>>>,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Pod {
    /// Starts pod `number` with what the operator sets, and `others`.
    pub(super) async fn start(place: &Place, number: u8, others: &[(&str, &str)]) -> Self {
        let (ip, port) = (ip(number).to_string(), place.port.to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgated"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["GUBER_", "WICKETGATE_", "OTEL_", "KUBE"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        let own = format!("{ip}:{port}");
        let any = format!("{ip}:0");
        let settings = BTreeMap::from([
            ("GUBER_PEER_DISCOVERY_TYPE", "k8s"),
            ("GUBER_K8S_NAMESPACE", NAMESPACE),
            ("GUBER_K8S_POD_IP", &ip),
            ("GUBER_K8S_POD_PORT", &port),
            ("GUBER_K8S_SERVICE_NAME", SERVICE),
            ("WICKETGATE_PEER_ADDRESS", &own),
            ("GUBER_GRPC_ADDRESS", &any),
            ("GUBER_HTTP_ADDRESS", &any),
            ("GUBER_LOG_FORMAT", "json"),
        ]);
        command.arg("serve").env("KUBECONFIG", place.folder.path().join("kubeconfig"));
        command.envs(settings).envs(others.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, into) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let said = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "message": line }));
                into.lock().unwrap().push(said);
            }
        });
        let serving = until("the pod serves", || async {
            let log = log.lock().unwrap();
            log.iter().find(|line| line["message"] == "serving").cloned()
        })
        .await;
        let place = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
        let (grpc, http) = (place("grpc"), place("http"));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { child, grpc, http, log, client }
    }

    /// Asks the HTTP port; the connection is kept for the next one.
    pub(super) async fn get(&self, path: &str) -> http::Response<Incoming> {
        let request = Request::get(format!("http://{}{path}", self.http)).body(Empty::new()).unwrap();
        self.client.request(request).await.unwrap()
    }

    /// Whether it is ready; if not, why.
    pub(super) async fn ready(&self) -> Result<(), String> {
        let answer = self.get("/readyz").await;
        let status = answer.status();
        let text =
            String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()).into_owned();
        if status == StatusCode::OK { Ok(()) } else { Err(text) }
    }

    /// Waits until it is ready.
    pub(super) async fn becomes_ready(&self) {
        until("the pod is ready", || async { self.ready().await.ok() }).await;
    }

    pub(super) async fn report(&self) -> PodReport {
        let body = self.get(PATH).await.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    /// A stream of reports.
    pub(super) async fn reports(&self) -> Reports {
        Reports { body: self.get(&format!("{PATH}?watch=true")).await.into_body(), rest: Vec::new() }
    }

    /// Waits for a report like this.
    pub(super) async fn reports_that(&self, what: &str, is: impl Fn(&PodReport) -> bool) -> PodReport {
        let mut reports = self.reports().await;
        let waiting = async {
            loop {
                let report = reports.next().await.expect("the stream goes on");
                if is(&report) {
                    return report;
                }
            }
        };
        let found = tokio::time::timeout(super::awaiting::LONG, waiting).await;
        match found {
            Ok(report) => report,
            Err(_) => panic!("never: {what}; {:?}\n{}", self.report().await, self.log_text()),
        }
    }

    pub(super) async fn client(&self) -> V1Client<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap();
        V1Client::new(endpoint.connect().await.unwrap())
    }

    /// Takes one hit of a limit of five a minute, or of what is declared for the name.
    pub(super) async fn hit(&self, name: &str, key: &str) -> RateLimitResp {
        let answer = self.client().await.get_rate_limits(one_hit(name, key)).await.unwrap();
        answer.into_inner().responses.remove(0)
    }

    /// Lines of the log with this in their message.
    pub(super) fn said(&self, text: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line["message"].as_str().is_some_and(|said| said.contains(text))).count()
    }

    pub(super) fn log_text(&self) -> String {
        self.log.lock().unwrap().iter().map(|line| format!("{line}\n")).collect()
    }

    /// Asks it to stop.
    pub(super) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for its end; its exit code.
    pub(super) async fn ends(&mut self) -> Option<i32> {
        let child = Mutex::new(&mut self.child);
        let ended = until("the pod ends", || async { child.lock().unwrap().try_wait().unwrap() }).await;
        ended.code()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Lines of a stream.
pub(super) struct Reports {
    body: Incoming,
    rest: Vec<u8>,
}

impl Reports {
    /// The next one; none at the end.
    pub(super) async fn next(&mut self) -> Option<PodReport> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.body.frame().await?.unwrap();
            self.rest.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }
}

pub(super) fn one_hit(name: &str, key: &str) -> GetRateLimitsReq {
    let request = RateLimitReq {
        name: name.to_owned(),
        unique_key: key.to_owned(),
        hits: 1,
        limit: 5,
        duration: 60_000,
        ..RateLimitReq::default()
    };
    GetRateLimitsReq { requests: vec![request] }
}

/// A slice of the Service with these pods, each with its conditions.
pub(super) fn slice(name: &str, pods: &[(u8, Value)]) -> Value {
    let endpoint = |(number, conditions): &(u8, Value)| {
        let target =
            json!({ "kind": "Pod", "name": format!("main-{number}"), "uid": format!("uid-{number}") });
        json!({ "addresses": [ip(*number).to_string()], "conditions": conditions, "targetRef": target })
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": name, "labels": { "kubernetes.io/service-name": SERVICE } },
        "ports": [{ "name": "peers", "port": 1 }],
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

/// The conditions of a pod that serves, as a Service says that publishes those not ready, too.
pub(super) fn serving() -> Value {
    json!({ "ready": true, "serving": true, "terminating": false })
}

/// Those of a pod that starts.
pub(super) fn starting() -> Value {
    json!({ "ready": true, "serving": false, "terminating": false })
}

/// Those of a pod on its way out.
pub(super) fn leaving() -> Value {
    json!({ "ready": true, "serving": true, "terminating": true })
}
