//! Debian's Prometheus on the loopback, which scrapes one backend twice a second.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use e2e::clock::await_some_within;
use e2e::http::Http;
use e2e::ports;
use e2e::process::{Process, Signal};
use http::Method;
use tempfile::TempDir;

use super::LONG;

/// A Prometheus; killed by its own process id when this is dropped.
pub(crate) struct Prometheus {
    pub(crate) at: SocketAddr,
    http: Http,
    folder: TempDir,
    process: Process,
}

impl Prometheus {
    /// # Panics
    /// Where it is not there, or does not start.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n- job_name: backend\n  static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::write(folder.path().join("prometheus.yml"), config).expect("a file is written");
        let [at] = ports::free();
        let process = spawn(folder.path(), at);
        let mut prometheus = Self { at, http: Http::new(at), folder, process };
        prometheus.ready().await;
        // It says so before it knows whom to scrape.
        let series = "prometheus_tsdb_head_series";
        await_some_within(LONG, "Prometheus has scraped", async || {
            prometheus.http.metric(series).await.filter(|count| *count > 0.0)
        })
        .await;
        prometheus
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&self) {
        self.process.signal(Signal::Kill);
    }

    /// Starts it again where it was, with what it knew.
    pub(crate) async fn restart(&mut self) {
        self.process.ended().await;
        self.process = spawn(self.folder.path(), self.at);
        self.ready().await;
    }

    /// Queries that it has answered well so far.
    pub(crate) async fn answered(&self) -> f64 {
        let series = "prometheus_http_requests_total{code=\"200\",handler=\"/api/v1/query\"}";
        self.http.metric(series).await.unwrap_or(0.0)
    }

    async fn ready(&mut self) {
        await_some_within(LONG, "Prometheus is ready", async || {
            if let Some(status) = self.process.ending() {
                panic!("Prometheus ended with {status} before it was ready: {}", self.process.stderr.text());
            }
            let reply = self.http.try_send(Method::GET, "/-/ready", Bytes::new()).await;
            reply.is_ok_and(|reply| reply.status == 200).then_some(())
        })
        .await;
    }
}

fn spawn(folder: &Path, at: SocketAddr) -> Process {
    let mut command = Command::new(program());
    command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
    command.arg(format!("--web.listen-address={at}")).arg("--log.level=warn").current_dir(folder);
    Process::spawn(command)
}

/// Prometheus' program: `PROMETHEUS` where that is set, else the one on the way, else what hack/deps unpacked.
fn program() -> PathBuf {
    let told = std::env::var_os("PROMETHEUS").map(PathBuf::from);
    let unpacked = super::picture::target().join("prometheus/usr/bin/prometheus");
    let candidates = told.into_iter().chain([PathBuf::from("prometheus"), unpacked]);
    let runs = |program: &PathBuf| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    candidates.into_iter().find(runs).unwrap_or_else(|| {
        panic!(
            "there is no Prometheus: run hack/deps testbed, which brings Debian's package, or name the program in PROMETHEUS"
        )
    })
}
