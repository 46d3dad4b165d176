//! One test: its turn, its namespace, and what is left to say when it fails.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::{RwLock, Semaphore};

use super::place::{FIELD_MANAGER, Place};
use super::{connection, diagnosis, installation};

/// Tests that run at once: two cores carry no more pods and leave what they show alone.
static SEATS: Semaphore = Semaphore::const_new(3);
/// Who disturbs others writes; everybody else reads.
static CLUSTER: RwLock<()> = RwLock::const_new(());

/// How long one test may take.
const LONGEST: Duration = Duration::from_secs(240);
/// How long removing its namespace may be waited for.
const REMOVAL: Duration = Duration::from_secs(10);
/// How long the end of earlier tests' namespaces may be waited for.
const QUIET: Duration = Duration::from_secs(60);
/// The label of the namespaces that tests make.
const OURS: &str = "wicketgate.dev/e2e";

/// Whom a test has beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Others: it touches nothing but its namespaces.
    Shared,
    /// Nobody: it stops what others need, or measures.
    Alone,
}

/// Runs a test in a namespace of its own with the chart installed; does nothing where there is no
/// Kubernetes. `title` is part of the namespace's name.
///
/// # Panics
/// When the test does; what is in its namespace is printed before. The namespace is removed either way.
pub async fn story<F, Fut>(turn: Turn, title: &str, tell: F)
where
    F: FnOnce(Place) -> Fut,
    Fut: Future<Output = ()>,
{
    let Some(client) = connection::connect().await else { return };
    let _seat = match turn {
        Turn::Shared => Some(SEATS.acquire().await.expect("nobody closes it")),
        Turn::Alone => None,
    };
    let _turn = match turn {
        Turn::Shared => (Some(CLUSTER.read().await), None),
        Turn::Alone => (None, Some(CLUSTER.write().await)),
    };
    installation::ready().await;
    let place = Place { namespace: format!("e2e-{title}-{}", std::process::id()), client };
    make(&place.client, &place.namespace, json!({})).await;
    let told = AssertUnwindSafe(tokio::time::timeout(LONGEST, tell(place.clone()))).catch_unwind().await;
    let failed = !matches!(told, Ok(Ok(())));
    if failed {
        eprintln!("{}", diagnosis::of(&place).await);
    }
    remove(&place.client, &place.namespace).await;
    match told {
        Ok(Ok(())) => {}
        Ok(Err(_)) => panic!("{title} took longer than {LONGEST:?}"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Makes a namespace that takes restricted pods only, with these labels beside.
///
/// # Panics
/// When the API server does not.
pub async fn make(client: &Client, name: &str, labels: serde_json::Value) {
    let mut namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    });
    namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted".into();
    namespace["metadata"]["labels"][OURS] = "yes".into();
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let made = Api::<Namespace>::all(client.clone()).patch(name, &params, &Patch::Apply(namespace)).await;
    made.unwrap_or_else(|error| panic!("namespace {name}: {error}"));
}

/// Has a namespace removed; nobody waits for its pods' end.
pub async fn remove(client: &Client, name: &str) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let removal = tokio::time::timeout(REMOVAL, namespaces.delete(name, &DeleteParams::background())).await;
    if !matches!(removal, Ok(Ok(_))) {
        connection::say(&format!("the namespace {name} could not be removed: {removal:?}"));
    }
}

/// Awaits the end of namespaces that earlier tests have left, for what measures: it would measure their end too.
/// If they do not end, that is said, and the figures are what they are.
pub async fn quiet(client: &Client) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ours = ListParams::default().labels(OURS);
    let ended = tokio::time::timeout(QUIET, async {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            let Ok(found) = namespaces.list(&ours).await else { continue };
            if found.items.iter().all(|namespace| namespace.metadata.deletion_timestamp.is_none()) {
                return;
            }
        }
    });
    if ended.await.is_err() {
        connection::say(&format!("after {QUIET:?} there are still namespaces of earlier tests"));
    }
}
