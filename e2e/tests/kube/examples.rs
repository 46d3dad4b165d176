//! Every file of `examples/`, as its reader would try it: taken by `kubectl apply` as it stands, and in force
//! on pods.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::kube::neighbours::beside;
use e2e::kube::objects::{read, text};
use e2e::kube::place::{PODS, Place};
use e2e::kube::story::{Turn, story};
use e2e::kube::tools::{kubectl, root};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Examples that are tried at once: each has one pod.
const AT_ONCE: usize = 4;
/// Those that have namespaces of their own, or so many pods that they are tried one by one.
const LARGE: [&str; 4] = ["backpressure.yaml", "multi-tenant.yaml", "production.yaml", "quickstart.yaml"];

/// The files, by name.
fn files() -> Vec<PathBuf> {
    let all = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = all.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    assert!(files.len() > LARGE.len(), "{files:?}");
    files
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

/// Applies a file with kubectl, first as a dry run of the API server, and awaits that everything in it is in
/// force: limits on every pod, clusters with all of theirs.
async fn try_out(place: &Place, file: &Path) {
    let path = file.to_str().unwrap();
    let objects = read(&fs::read_to_string(file).unwrap());
    // kubectl takes no namespace beside those that objects say themselves.
    let homeless = objects.iter().all(|object| object["metadata"]["namespace"].is_null());
    let within: &[&str] = if homeless { &["-n", &place.namespace] } else { &[] };
    let apply = [&["apply", "-f", path], within].concat();
    let dry = kubectl(&[&apply[..], &["--dry-run=server"]].concat()).await;
    assert_eq!(dry.code, Some(0), "{path}: {}", dry.stderr);
    assert_eq!(dry.stderr, "", "{path}: the API server warns of it");
    kubectl(&apply).await.ok();
    for object in &objects {
        let there = object["metadata"]["namespace"]
            .as_str()
            .map_or_else(|| place.clone(), |namespace| place.elsewhere(namespace));
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        match kind {
            "RateLimitCluster" => {
                there.condition((kind, name), ("Ready", "True"), PODS).await;
                there.condition((kind, name), ("Available", "True"), PODS).await;
                let cluster = there.get(kind, name).await.unwrap();
                for (kind, field) in
                    [("RateLimit", "rateLimits"), ("BackpressurePolicy", "backpressurePolicies")]
                {
                    let declared = objects.iter().filter(|object| object["kind"] == kind).count();
                    let counted = cluster.data["status"][field].as_u64();
                    assert_eq!(counted, Some(declared as u64), "{path}: {}", cluster.data["status"]);
                }
            }
            // Neither its upstream nor its Prometheus is there: it is in force all the same.
            "BackpressurePolicy" => {
                there.condition((kind, name), ("Programmed", "True"), PODS).await;
            }
            "RateLimit" => {
                there.condition((kind, name), ("Programmed", "True"), PODS).await;
                let limit = there.get(kind, name).await.unwrap();
                assert!(text(&limit, "/status/revision").is_some(), "{path}: {}", limit.data["status"]);
            }
            _ => panic!("{path}: no test knows what becomes of a {kind}"),
        }
    }
    // Room for the next.
    kubectl(&[&["delete", "-f", path, "--wait=false"], within].concat()).await.ok();
}

#[tokio::test]
async fn each_example_of_one_pod_comes_into_force() {
    story(Turn::Shared, "examples", async |place| {
        let files: Vec<PathBuf> = files().into_iter().filter(|file| !LARGE.contains(&name(file))).collect();
        let place = &place;
        let tried = stream::iter(files).map(|file| async move {
            try_out(place, &file).await;
        });
        tried.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    })
    .await;
}

#[tokio::test]
async fn the_examples_of_several_pods_come_into_force() {
    story(Turn::Shared, "more-examples", async |place| {
        for large in ["quickstart.yaml", "production.yaml", "backpressure.yaml"] {
            try_out(&place, &root().join("examples").join(large)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_example_of_several_tenants_comes_into_force() {
    story(Turn::Shared, "tenants", async |place| {
        let tenant = || json!({"wicketgate.dev/tenant": "yes"});
        let wanted: [(&str, Value); 3] = [("edge", json!({})), ("shop", tenant()), ("search", tenant())];
        beside(&place, &wanted, async |places| {
            // The namespaces of the file belong to whoever runs the tests: these are ours instead.
            let mut text = fs::read_to_string(root().join("examples/multi-tenant.yaml")).unwrap();
            for ((name, _), place) in wanted.iter().zip(&places) {
                let (theirs, ours) =
                    (format!("namespace: {name}"), format!("namespace: {}", place.namespace));
                assert!(text.contains(&theirs), "{theirs}");
                text = text.replace(&theirs, &ours);
            }
            let directory = TempDir::new().unwrap();
            let file = directory.path().join("multi-tenant.yaml");
            fs::write(&file, text).unwrap();
            try_out(&place, &file).await;
        })
        .await;
    })
    .await;
}
