//! A running `wicketgated` and its nodes.

use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;

use crate::clock::{await_condition, await_some};
use crate::grpc::Client;
use crate::http::Http;
use crate::logs::Logs;

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

/// A signal that a process can be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// Stop, in good order.
    Term,
    /// Ctrl-C.
    Int,
    /// Stop at once, without a word.
    Kill,
    /// Stand still.
    Stop,
    /// Go on.
    Cont,
}

/// A running process with one node or more. It is killed when this is dropped; what it logged is shown if
/// the test is failing then.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    nodes: Vec<Node>,
    stdout: Logs,
    stderr: Logs,
}

impl Daemon {
    /// Waits until `nodes` lines with the message `serving` have come.
    pub(crate) async fn awaited(child: Child, stdout: Logs, stderr: Logs, nodes: usize) -> Self {
        let mut daemon = Self { child, nodes: Vec::new(), stdout, stderr };
        await_condition("every node serves", async || {
            if let Some(status) = daemon.child.try_wait().expect("the state of a child") {
                panic!("wicketgated ended with {status} before it served");
            }
            let records = daemon.stderr.records();
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
        self.stderr.records()
    }

    /// What it has logged so far, as text.
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child").is_none()
    }

    /// Sends it a signal, by its own process id. The shell does it, as the standard library cannot.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Term => "TERM",
            Signal::Int => "INT",
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Cont => "CONT",
        };
        let line = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status().expect("a shell");
        assert!(status.success(), "{line}: {status}");
    }

    /// Waits for its end and says how it ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        await_some("the end of wicketgated", async || child.try_wait().expect("the state of a child")).await
    }

    /// Waits for its end as [`Self::ended`] does, and for how long that took.
    pub async fn ended_after(&mut self) -> (ExitStatus, Duration) {
        let began = std::time::Instant::now();
        let status = self.ended().await;
        (status, began.elapsed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- wicketgated {} wrote:\n{}\n{}",
                self.child.id(),
                self.stderr.text(),
                self.stdout.text()
            );
        }
    }
}
