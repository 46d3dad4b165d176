//! `run` as the kubelet meets it: environment, probes, signals, exit codes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::api::{self, Api};

/// How long something that must happen may take, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A process, and the lines of its log.
struct Operator {
    child: Child,
    lines: Receiver<String>,
}

impl Operator {
    fn start(kubeconfig: &Path, name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wicketgate-operator"))
            .args(["run", "--admin-address=127.0.0.1:0"])
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAME", name)
            // Set and empty is not set.
            .env("WICKETGATE_WATCH_NAMESPACES", "")
            .env("WICKETGATE_CLUSTER_MANIFEST", "")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = read_lines(child.stderr.take().unwrap());
        Self { child, lines }
    }

    /// The next line that says `message`.
    fn line(&self, message: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("nobody said {message:?}"));
            match serde_json::from_str::<Value>(&line) {
                Ok(line) if line["message"] == message => return line,
                _ => {}
            }
        }
    }

    fn admin(&self) -> SocketAddr {
        self.line("started")["address"].as_str().unwrap().parse().unwrap()
    }

    fn terminate(&self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    /// The exit code, and all that was not read of the log.
    fn end(mut self) -> (Option<i32>, String) {
        // The log ends with the process.
        let mut rest = String::new();
        while let Ok(line) = self.lines.recv_timeout(SOON) {
            rest.push_str(&line);
            rest.push('\n');
        }
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stderr: ChildStderr) -> Receiver<String> {
    let (say, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if say.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn one_leads_and_hands_over_when_it_is_told_to_stop() {
    let api = Api::start();
    let first = Operator::start(&api.kubeconfig(), "operator-0", &[]);
    let address = first.admin();
    assert_eq!(first.line("leading")["identity"], "operator-0");
    assert!(get(address, "/metrics").contains("\nwicketgate_operator_leader 1\n"));

    let second = Operator::start(&api.kubeconfig(), "operator-1", &[]);
    let address = second.admin();
    assert_eq!(second.line("standing by")["holder"], "operator-0");
    assert!(get(address, "/readyz").contains("200 OK"));
    assert!(get(address, "/metrics").contains("\nwicketgate_operator_leader 0\n"));

    first.terminate();
    second.line("leading");
    assert_eq!(api.holder(), "operator-1");
    let (code, log) = first.end();
    assert_eq!(code, Some(0), "{log}");
    second.terminate();
    let (code, log) = second.end();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(api.holder(), "", "{log}");
}

#[test]
fn who_cannot_renew_ends_to_be_started_again() {
    let api = Api::start();
    let operator =
        Operator::start(&api.kubeconfig(), "operator-0", &["--lease-duration=3s", "--lease-renewal=500ms"]);
    operator.line("leading");
    api.refuse(500);
    let (code, log) = operator.end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("leadership is lost: the lease could not be renewed for 2.4s"), "{log}");
}

#[test]
fn without_election_no_lease_is_touched() {
    let api = Api::start();
    let operator = Operator::start(&api.kubeconfig(), "operator-0", &["--leader-elect=false"]);
    let address = operator.admin();
    operator.line("working without an election");
    assert!(get(address, "/metrics").contains("\nwicketgate_operator_leader 1\n"));
    operator.terminate();
    assert_eq!(operator.end().0, Some(0));
    assert_eq!(api.holder(), "");
}

#[test]
fn what_is_out_of_reach_or_refused_is_said() {
    let refusing = Api::start();
    refusing.refuse(403);
    let operator = Operator::start(&refusing.kubeconfig(), "operator-0", &[]);
    let (code, log) = operator.end();
    assert_eq!(code, Some(69), "{log}");
    assert!(
        log.contains("refuses the lease system/wicketgate-operator: grant get, create and update"),
        "{log}"
    );

    // Nobody listens where nobody has listened for long.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = api::kubeconfig(nobody);
    let operator = Operator::start(&folder.path().join("config"), "operator-0", &["--api-timeout=1s"]);
    let (code, log) = operator.end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("the API server did not answer within 1s"), "{log}");

    let operator = Operator::start(Path::new("/nowhere/config"), "operator-0", &[]);
    let (code, log) = operator.end();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("no Kubernetes to speak to"), "{log}");
}

#[test]
fn a_process_that_waits_for_the_api_server_can_be_stopped() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = api::kubeconfig(nobody);
    let operator = Operator::start(&folder.path().join("config"), "operator-0", &[]);
    let address = operator.admin();
    operator.line("the API server does not answer yet");
    assert!(get(address, "/readyz").contains("503 "));
    assert!(get(address, "/livez").contains("200 OK"));
    operator.terminate();
    assert_eq!(operator.end().0, Some(0));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--admin-address={}", taken.local_addr().unwrap());
    let output =
        Command::new(env!("CARGO_BIN_EXE_wicketgate-operator")).args(["run", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("cannot listen at 127.0.0.1:") && text.contains("set --admin-address"), "{text}");
}

#[test]
fn a_wrong_variable_is_refused_before_anything_is_started() {
    for (variable, value) in [
        ("WICKETGATE_WATCH_NAMESPACES", "Edge"),
        ("WICKETGATE_DAEMON_IMAGE", "no image"),
        ("WICKETGATE_LEADER_ELECT", "perhaps"),
        ("WICKETGATE_LEASE_RENEWAL", "9s"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate-operator"));
        let output = command.arg("run").env(variable, value).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{variable}: {text}");
        assert!(text.contains(value), "{text}");
    }
}
