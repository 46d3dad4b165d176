//! The release as a whole: `helm test`, a first cluster that belongs to it, and what is left when it goes.

use std::panic::{AssertUnwindSafe, resume_unwind};

use e2e::kube::awaiting::eventually;
use e2e::kube::daemons;
use e2e::kube::installation::{NAMESPACE, RELEASE, install};
use e2e::kube::objects::resource;
use e2e::kube::place::{PODS, Place};
use e2e::kube::story::{Turn, story};
use e2e::kube::tools::helm;
use futures_util::FutureExt as _;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::{Api, ResourceExt as _};
use serde_json::json;

/// What a release may have made in its namespace, and the operator for a cluster there. Events go by themselves.
const KINDS: [&str; 17] = [
    "ConfigMap",
    "ControllerRevision",
    "Deployment",
    "EndpointSlice",
    "HorizontalPodAutoscaler",
    "Lease",
    "NetworkPolicy",
    "Pod",
    "PodDisruptionBudget",
    "RateLimitCluster",
    "ReplicaSet",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];
/// What every namespace has.
const NATIVE: [&str; 2] = ["ConfigMap kube-root-ca.crt", "ServiceAccount default"];
/// The labels of what a release makes outside of namespaces.
const LABELS: &str = "app.kubernetes.io/part-of=wicketgate";

#[tokio::test]
async fn helm_test_takes_a_hit_and_leaves_nothing() {
    story(Turn::Shared, "helm-test", async |place| {
        let outcome = helm(&["test", RELEASE, "--namespace", NAMESPACE, "--timeout", "2m"]).await;
        // The pod's log is on stderr or on stdout, by helm's version.
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert_eq!(outcome.code, Some(0), "{said}");
        assert!(said.contains("UNDER_LIMIT"), "{said}");
        let release = place.elsewhere(NAMESPACE);
        eventually("the test's cluster is gone", PODS, async || {
            let left = [release.names("RateLimitCluster").await, release.names("StatefulSet").await].concat();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn uninstalling_leaves_the_definitions_alone_and_installing_again_works() {
    story(Turn::Alone, "uninstall", async |place| {
        let told = AssertUnwindSafe(uninstall(&place)).catch_unwind().await;
        // Whatever was found, the other tests need an operator.
        let installed = install(&[]).await;
        if let Err(panic) = told {
            resume_unwind(panic);
        }
        installed.unwrap();

        // The limit outlived its cluster and the release.
        place.refused("kept", "TargetNotFound").await;
        place.cluster("main", json!({})).await;
        place.programmed("kept").await;
    })
    .await;
}

async fn uninstall(place: &Place) {
    let release = place.elsewhere(NAMESPACE);
    let first = ["--set", "cluster.create=true,cluster.name=first,cluster.spec.replicas=1"];
    install(&first).await.unwrap();
    release.ready("first").await;
    place.cluster("main", json!({})).await;
    place.limit("kept", json!({"limit": 7})).await;
    place.ready("main").await;
    place.programmed("kept").await;
    let daemon = daemons::all(place, "main", 1).await.remove(0);

    helm(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "2m"]).await.ok();

    eventually("the release's namespace is empty", PODS, async || {
        let left = left_in(&release).await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        assert_eq!(everywhere(place, kind).await, [""; 0], "{kind}");
    }
    let definitions: Api<DynamicObject> =
        Api::all_with(place.client.clone(), &resource("CustomResourceDefinition"));
    for kind in ["backpressurepolicies", "ratelimitclusters", "ratelimits"] {
        definitions.get(&format!("{kind}.wicketgate.dev")).await.expect("the definitions stay");
    }
    // What people declared goes on, and goes when they say so, without an operator.
    assert_eq!(daemon.hit("kept", "somebody", 1).await.limit, 7);
    place.delete("RateLimitCluster", "main").await;
    for kind in ["StatefulSet", "Service", "ServiceAccount", "Role", "RoleBinding", "PodDisruptionBudget"] {
        place.gone(kind, "main", PODS).await;
    }
    place.gone("ConfigMap", "main-document-0", PODS).await;
}

async fn left_in(place: &Place) -> Vec<String> {
    let mut left = Vec::new();
    for kind in KINDS {
        let names = place.names(kind).await;
        left.extend(names.iter().map(|name| format!("{kind} {name}")));
    }
    left.retain(|object| !NATIVE.contains(&object.as_str()));
    left
}

/// The names of the release's objects of a kind that lies in no namespace.
async fn everywhere(place: &Place, kind: &str) -> Vec<String> {
    let api: Api<DynamicObject> = Api::all_with(place.client.clone(), &resource(kind));
    let found = api.list(&ListParams::default().labels(LABELS)).await.unwrap();
    found.items.iter().map(|object| object.name_any()).collect()
}
