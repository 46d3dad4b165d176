//! A running `wicketgated` and its nodes.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::await_condition;
use crate::grpc::Client;
use crate::http::Http;
use crate::process::{Process, Signal};

/// One node of a daemon, by the addresses it told when it began to serve.
#[derive(Clone, Debug)]
pub struct Node {
    /// gRPC: V1, health and reflection.
    pub grpc: SocketAddr,
    /// The JSON gateway, metrics and probes.
    pub http: SocketAddr,
    /// PeersV1, where it is bound.
    pub peers: Option<SocketAddr>,
}

impl Node {
    /// A gRPC client of this node.
    pub async fn client(&self) -> Client {
        Client::connect(self.grpc).await
    }

    /// An HTTP client of this node.
    pub fn http(&self) -> Http {
        Http::new(self.http)
    }

    fn told(record: &Value) -> Option<Self> {
        let address = |field: &str| record.get(field)?.as_str()?.parse().ok();
        Some(Self { grpc: address("grpc")?, http: address("http")?, peers: address("peers") })
    }
}

/// A running `wicketgated` with one node or more, killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    nodes: Vec<Node>,
}

impl Daemon {
    /// Waits until `nodes` lines with the message `serving` have come.
    pub(crate) async fn awaited(process: Process, nodes: usize) -> Self {
        let mut daemon = Self { process, nodes: Vec::new() };
        await_condition("every node serves", async || {
            if let Some(status) = daemon.process.ending() {
                panic!("wicketgated ended with {status} before it served");
            }
            let records = daemon.records();
            let serving = records.iter().filter(|record| record["message"] == "serving");
            daemon.nodes = serving.filter_map(Node::told).collect();
            daemon.nodes.len() >= nodes
        })
        .await;
        daemon
    }

    /// The nodes, in the order in which they began to serve.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The first node, and the only one of `serve`.
    pub fn node(&self) -> &Node {
        &self.nodes[0]
    }

    /// What it has logged so far, as JSON records with flat fields.
    pub fn records(&self) -> Vec<Value> {
        self.process.stderr.records()
    }

    /// What it has logged so far, as text.
    pub fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        self.process.ending().is_none()
    }

    /// Bytes of memory that the process has, and the most that it ever had.
    pub fn memory(&self) -> (u64, u64) {
        self.process.memory()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end and says how it ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }

    /// As [`Self::ended`], and how long that took.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended_after(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let status = self.ended().await;
        (status, began.elapsed())
    }
}
