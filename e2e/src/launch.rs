//! A command line of `wicketgated`, to be started as a daemon or run to its end.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::binary::wicketgated;
use crate::daemon::Daemon;
use crate::process::Process;

/// A `wicketgated` that is not started yet. Nothing of the caller's own settings reaches it: every
/// `GUBER_*`, `WICKETGATE_*` and `OTEL_*` variable is taken out of its environment.
#[derive(Debug)]
pub struct Launch {
    command: Command,
    nodes: usize,
}

/// How a command ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Launch {
    /// `wicketgated` with these arguments.
    pub fn with(arguments: &[&str]) -> Self {
        let mut command = Command::new(wicketgated());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["GUBER_", "WICKETGATE_", "OTEL_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.args(arguments);
        Self { command, nodes: 1 }
    }

    /// `wicketgated serve` on ports of the loopback that the system chooses, logging JSON.
    pub fn serve() -> Self {
        Self::with(&["serve"])
            .env("GUBER_GRPC_ADDRESS", "127.0.0.1:0")
            .env("GUBER_HTTP_ADDRESS", "127.0.0.1:0")
            .env("WICKETGATE_PEER_ADDRESS", "127.0.0.1:0")
            .env("GUBER_LOG_FORMAT", "json")
    }

    /// `wicketgated standalone` on the manifests in `path`, which ask for `replicas` nodes; logging JSON.
    pub fn standalone(path: &Path, replicas: usize) -> Self {
        let addresses = ["--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
        let mut launch = Self::with(&["standalone", "--log-format", "json"]);
        launch.command.args(addresses).arg("-f").arg(path);
        launch.nodes = replicas;
        launch
    }

    /// `wicketgated proxy` on a configuration file of throttle-proxy's, logging JSON.
    pub fn proxy(file: &Path) -> Self {
        let launch = Self::with(&["proxy", "--log-format", "json", "--config-file"]);
        launch.arg(file)
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// A variable of its environment, in place of an earlier value.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it and returns when every node serves.
    ///
    /// # Panics
    /// When it ends instead, or does not serve in time; with what it logged.
    pub async fn start(self) -> Daemon {
        Daemon::awaited(Process::spawn(self.command), self.nodes).await
    }

    /// Starts it and does not wait for anything.
    pub fn spawn(self) -> Process {
        Process::spawn(self.command)
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end in time; it is killed then.
    pub async fn run(self) -> Ended {
        let mut process = Process::spawn(self.command);
        let status = process.ended().await;
        Ended { code: status.code(), stdout: process.stdout.text(), stderr: process.stderr.text() }
    }
}
