//! Whether there is a Kubernetes to test on, and a client of it.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Names the kubeconfig of the cluster to test on.
pub const KUBECONFIG: &str = "KUBECONFIG";
/// Names the state of the test cluster, where the cluster is ours.
pub const TESTBED: &str = "WICKETGATE_TESTBED";

/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A client of the cluster of `KUBECONFIG`; none where there is no such variable, which is said once.
///
/// Each test has a client of its own, since a connection ends with the runtime that drives it.
///
/// # Panics
/// When the kubeconfig cannot be used.
pub async fn connect() -> Option<Client> {
    if std::env::var_os(KUBECONFIG).is_none_or(|path| path.is_empty()) {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            say("the tests on Kubernetes are skipped: KUBECONFIG is not set (make e2e starts a cluster)");
        });
        return None;
    }
    // Two providers may be linked in; which one is meant must be said before the first connection.
    // The second test finds it said.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::from_env().unwrap_or_else(|error| panic!("{KUBECONFIG}: {error}"));
    let file = file.unwrap_or_else(|| panic!("{KUBECONFIG} names no file"));
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let mut config = config.unwrap_or_else(|error| panic!("{KUBECONFIG}: {error}"));
    config.connect_timeout = Some(CONNECT);
    // A test awaits what it wants by itself, and must see what failed before.
    config.default_retry = false;
    Some(Client::try_from(config).unwrap_or_else(|error| panic!("{KUBECONFIG}: {error}")))
}

/// The state of the test cluster, where the cluster is ours and its parts may be stopped; else none, and it
/// is said that `what` is skipped.
pub fn testbed(what: &str) -> Option<PathBuf> {
    let state = std::env::var_os(TESTBED).map(PathBuf::from).filter(|path| path.is_dir());
    if state.is_none() {
        say(&format!(
            "{what} is skipped: it stops parts of Kubernetes, and {TESTBED} does not say that it is ours"
        ));
    }
    state
}

/// Whether the cluster's nodes have the images that only tests need (`hack/test-images`): the test cluster has.
/// Elsewhere it is said that `what` is left out; without any cluster nothing is, since that has been said.
pub fn has_test_images(what: &str) -> bool {
    let ours = std::env::var_os(TESTBED).is_some_and(|path| !path.is_empty());
    let any = std::env::var_os(KUBECONFIG).is_some_and(|path| !path.is_empty());
    if any && !ours {
        say(&format!(
            "{what} is left out: it needs the images of hack/test-images, and {TESTBED} does not say that they are there"
        ));
    }
    any && ours
}

/// Prints a line that is seen even where the test passes: what was measured, and what was left out.
pub fn say(line: &str) {
    // Straight to the stream: the test runner holds back what `eprintln!` writes. If nobody reads it there
    // is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "e2e: {line}");
}
