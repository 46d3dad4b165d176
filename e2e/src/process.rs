//! A child process: what it writes, signals to it, and its end.

use std::process::{Child, Command, ExitStatus, Stdio};

use crate::clock::{await_condition, await_some};
use crate::logs::Logs;

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

/// A child process. It is killed when this is dropped, by its own process id; what it wrote is shown if the
/// test is failing then.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Standard output.
    pub stdout: Logs,
    /// Standard error.
    pub stderr: Logs,
}

impl Process {
    /// Starts a command with nothing to read and its output kept.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Logs::follow(child.stdout.take().expect("a piped stdout"));
        let stderr = Logs::follow(child.stderr.take().expect("a piped stderr"));
        Self { child, stdout, stderr }
    }

    /// How it ended; none while it runs.
    ///
    /// # Panics
    /// When the system does not know.
    pub fn ending(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child")
    }

    /// Waits for its end and for the last of its output.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = await_some("the end of the process", async || self.ending()).await;
        // The pipes are closed when the process is gone; their threads may have a line to read yet.
        await_condition("the end of its output", async || self.stdout.is_closed() && self.stderr.is_closed())
            .await;
        status
    }

    /// Bytes of memory that it has, and the most that it ever had, as Linux counts them; a child that has
    /// ended has none.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        (kib("VmRSS:") << 10, kib("VmHWM:") << 10)
    }

    /// Sends it a signal. The shell does it, as the standard library cannot.
    ///
    /// # Panics
    /// When the process is gone.
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
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- process {} wrote:\n{}\n{}",
                self.child.id(),
                self.stderr.text(),
                self.stdout.text()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        Process::spawn(command)
    }

    #[tokio::test]
    async fn output_is_whole_when_the_end_is_known() {
        let mut process = shell("echo out; echo err >&2; exit 3");
        assert_eq!(process.ended().await.code(), Some(3));
        assert_eq!((process.stdout.text().as_str(), process.stderr.text().as_str()), ("out", "err"));
    }

    #[tokio::test]
    async fn a_signal_reaches_the_process() {
        let mut process = shell("trap 'exit 7' TERM; echo ready; while :; do read line </dev/null; done");
        await_condition("it is ready", async || process.stdout.text() == "ready").await;
        assert!(process.ending().is_none());
        process.signal(Signal::Term);
        assert_eq!(process.ended().await.code(), Some(7));
    }

    #[tokio::test]
    async fn fields_of_a_tracing_line_are_flat() {
        let mut process = shell(r#"echo text; echo '{"level":"INFO","fields":{"message":"serving"}}'"#);
        process.ended().await;
        let records = process.stdout.records();
        assert_eq!(records, [serde_json::json!({"level": "INFO", "message": "serving"})]);
    }
}
