//! `kubectl` and `helm` as processes, for what is about them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long a command may take.
const LONGEST: Duration = Duration::from_secs(240);

/// What came of a command.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Outcome {
    /// Its output, if it ended well.
    ///
    /// # Panics
    /// When it did not.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// The checkout's root, from which both run.
///
/// # Panics
/// Never: this package lies in a checkout.
pub fn root() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().map(PathBuf::from).expect("the package lies in the checkout")
}

/// Runs kubectl.
///
/// # Panics
/// When it cannot be started, or does not end in time.
pub async fn kubectl(args: &[&str]) -> Outcome {
    run("kubectl", args).await
}

/// Runs helm.
///
/// # Panics
/// As [`kubectl`].
pub async fn helm(args: &[&str]) -> Outcome {
    run("helm", args).await
}

/// Runs a program from the checkout's root, by its path from there or by `PATH`.
///
/// # Panics
/// As [`kubectl`].
pub async fn run(program: &str, args: &[&str]) -> Outcome {
    let path = if program.contains('/') { root().join(program) } else { PathBuf::from(program) };
    let mut command = Command::new(path);
    command.args(args).current_dir(root()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LONGEST, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{program} {args:?} took longer than {LONGEST:?}"));
    let output = output.unwrap_or_else(|error| {
        panic!("{program} cannot be started ({error}): make e2e puts helm and kubectl on PATH")
    });
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
