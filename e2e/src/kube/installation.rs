//! The one installation of the chart that all tests share.

use tokio::sync::OnceCell;

use super::tools::helm;

/// The release.
pub const RELEASE: &str = "wicketgate";
/// Its namespace.
pub const NAMESPACE: &str = "wicketgate-system";
/// The operator's Deployment, and its Lease.
pub const OPERATOR: &str = "wicketgate-operator";

/// Installs the chart, once in the life of this process.
///
/// # Panics
/// When that fails; every test says so.
pub async fn ready() {
    static INSTALLED: OnceCell<Result<(), String>> = OnceCell::const_new();
    if let Err(why) = INSTALLED.get_or_init(|| install(&[])).await {
        panic!("the chart cannot be installed: {why}");
    }
}

/// `helm upgrade --install` of the checkout's chart with the images that the cluster's nodes have, and with these
/// arguments beside.
///
/// # Errors
/// What helm says.
pub async fn install(beside: &[&str]) -> Result<(), String> {
    // The images' tag is always the same, so that a node may run an older build: new pods take what was
    // loaded last.
    let fresh = format!("podAnnotations.wicketgate\\.dev/e2e=run-{}", std::process::id());
    let args = [
        "upgrade",
        "--install",
        RELEASE,
        "charts/wicketgate",
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--values",
        "charts/wicketgate/ci/testbed-values.yaml",
        "--set-string",
        &fresh,
        "--wait",
        "--timeout",
        "3m",
    ];
    let outcome = helm(&[&args, beside].concat()).await;
    if outcome.code == Some(0) { Ok(()) } else { Err(format!("{}{}", outcome.stdout, outcome.stderr)) }
}
