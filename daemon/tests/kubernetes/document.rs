//! The document of limits.

use std::time::Duration;

use crds::cluster::RateLimitCluster;
use crds::document::DaemonDocument;
use crds::fold::{NamespaceLabels, fold};
use crds::limit::RateLimit;
use crds::part::{Part, config_map_name, split};
use serde_json::{Value, json};
use wicketgate_daemon::clock;

use super::api_server::ApiServer;
use super::awaiting::until;
use super::pod::{DOCUMENT, Place, Pod, serving, slice};

const MAPS: &str = "configmaps";
const NAMED: (&str, &str) = ("WICKETGATE_DOCUMENT", DOCUMENT);

/// A document in which `checkout` admits so many hits, beside `more` other limits.
fn document(limit: i64, more: usize) -> DaemonDocument {
    let mut cluster = RateLimitCluster::new("main", Default::default());
    cluster.metadata.namespace = Some("default".to_owned());
    let declared = |name: &str, limit: i64| -> RateLimit {
        serde_json::from_value(json!({
            "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimit",
            "metadata": { "name": name, "namespace": "default" },
            "spec": { "clusterRef": { "name": "main" }, "limit": limit, "duration": "1m" },
        }))
        .unwrap()
    };
    let mut limits = vec![declared("checkout", limit)];
    limits.extend((0..more).map(|nth| declared(&format!("another-limit-of-many-{nth}"), 7)));
    fold(&cluster, &limits, &[], &NamespaceLabels::new()).unwrap().document
}

fn parts(document: &DaemonDocument) -> Vec<Part> {
    split(&document.revision, &document.render().unwrap()).unwrap()
}

fn map(index: usize, part: Part) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": config_map_name(DOCUMENT, index) }, "data": part.into_data(),
    })
}

fn apply(server: &ApiServer, document: &DaemonDocument) {
    for (index, part) in parts(document).into_iter().enumerate() {
        server.apply(MAPS, map(index, part));
    }
}

/// A pod alone on its ring.
async fn pod(server: &ApiServer, place: &Place, others: &[(&str, &str)]) -> Pod {
    server.apply("endpointslices", slice("main-peers-a", &[(1, serving())]));
    Pod::start(place, 1, &[&[NAMED], others].concat()).await
}

#[tokio::test]
async fn a_pod_is_ready_with_its_document_and_follows_it_at_once() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    let pod = pod(&server, &place, &[]).await;
    until("it says what it waits for", || async {
        let why = pod.ready().await.expect_err("there is no document");
        why.contains("no document yet: the ConfigMap main-document-0 is not there").then_some(())
    })
    .await;
    let first = document(3, 0);
    apply(&server, &first);
    pod.becomes_ready().await;
    assert_eq!(pod.report().await.revision, first.revision);
    assert_eq!(pod.hit("checkout", "a").await.limit, 3);
    let mut reports = pod.reports().await;
    reports.next().await.expect("the present one");
    let mut worst = Duration::ZERO;
    for limit in 10..30 {
        let next = document(limit, 0);
        let began = clock::instant();
        apply(&server, &next);
        let report = reports.next().await.expect("the next one");
        let took = began.elapsed();
        assert_eq!((report.revision.as_str(), report.refused), (next.revision.as_str(), None));
        worst = worst.max(took);
        assert_eq!(pod.hit("checkout", "a").await.limit, limit);
    }
    println!("a change was in force after {worst:?} at worst, of 20");
    // One list and one watch each, of slices and of the first part, all by name.
    assert_eq!(server.counts(), (2, 2));
    assert_eq!(server.asked(), ["metadata.name=main-document-0"; 2]);
}

#[tokio::test]
async fn a_bad_document_is_refused_whole_and_reported() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    let pod = pod(&server, &place, &[]).await;
    let good = document(3, 0);
    apply(&server, &good);
    pod.becomes_ready().await;
    let mut bad = parts(&document(4, 0)).remove(0);
    bad.text = bad.text.replace("limit: 4", "limit: -4");
    let revision = bad.revision.clone();
    server.apply(MAPS, map(0, bad));
    let report = pod.reports_that("it is refused", |report| report.refused.is_some()).await;
    let refused = report.refused.unwrap();
    assert_eq!((report.revision.as_str(), refused.revision), (good.revision.as_str(), revision));
    assert!(refused.reason.contains("limit is -4"), "{}", refused.reason);
    assert_eq!((pod.ready().await, pod.hit("checkout", "a").await.limit), (Ok(()), 3));
    // A map without its keys, and none at all.
    server.apply(MAPS, json!({ "metadata": { "name": "main-document-0" }, "data": { "note": "by hand" } }));
    let lacks = |report: &crds::report::PodReport| {
        report.refused.as_ref().is_some_and(|refused| refused.reason.contains("is missing"))
    };
    pod.reports_that("what is missing is named", lacks).await;
    server.delete(MAPS, "main-document-0");
    until("it is told", || async { (pod.said("the document in force stays") == 1).then_some(()) }).await;
    assert_eq!(pod.hit("checkout", "b").await.limit, 3);
    let better = document(5, 0);
    apply(&server, &better);
    let report = pod.reports_that("it is in force", |report| report.revision == better.revision).await;
    assert_eq!(report.refused, None);
    assert_eq!(pod.said("a document is refused"), 2, "{}", pod.log_text());
}

#[tokio::test]
async fn a_document_grows_and_shrinks_by_parts() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    let pod = pod(&server, &place, &[]).await;
    let small = document(3, 0);
    apply(&server, &small);
    pod.becomes_ready().await;
    let large = document(4, 6_000);
    let mut pieces = parts(&large);
    assert!(pieces.len() > 2);
    // The last part is late: until then the old document is in force.
    let late = pieces.pop().unwrap();
    let count = pieces.len();
    for (index, part) in pieces.into_iter().enumerate() {
        server.apply(MAPS, map(index, part));
    }
    let lacks = format!("main-document-{count} is not there");
    until("it is told what is lacking", || async { (pod.said(&lacks) == 1).then_some(()) }).await;
    assert_eq!(pod.report().await.revision, small.revision);
    server.apply(MAPS, map(count, late));
    pod.reports_that("it is whole", |report| report.revision == large.revision).await;
    assert_eq!(pod.hit("another-limit-of-many-5999", "a").await.limit, 7);
    apply(&server, &small);
    pod.reports_that("it is small again", |report| report.revision == small.revision).await;
    // What is left over belongs to nothing, and grows together with a new first part only.
    let other = document(5, 6_000);
    apply(&server, &other);
    pod.reports_that("it is large again", |report| report.revision == other.revision).await;
}

#[tokio::test]
async fn the_mount_counts_until_the_server_has_spoken() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    let mounted = document(3, 0);
    let folder = place.folder.path().join("document");
    write(&folder, &mounted);
    server.stop().await;
    server.apply("endpointslices", slice("main-peers-a", &[(1, serving())]));
    let folder_text = folder.display().to_string();
    let pod = Pod::start(&place, 1, &[NAMED, ("WICKETGATE_DOCUMENT_DIR", &folder_text)]).await;
    pod.becomes_ready().await;
    assert_eq!(pod.report().await.revision, mounted.revision);
    // Newer files count, too, as long as nobody else speaks.
    let newer = document(4, 0);
    write(&folder, &newer);
    pod.reports_that("the files are read again", |report| report.revision == newer.revision).await;
    let told = document(5, 0);
    apply(&server, &told);
    server.start_again();
    pod.reports_that("the server has spoken", |report| report.revision == told.revision).await;
    // From now on the files are silent.
    write(&folder, &mounted);
    let last = document(6, 0);
    apply(&server, &last);
    pod.reports_that("the server counts", |report| report.revision == last.revision).await;
    server.stop().await;
    until("it is noticed", || async { (pod.said("the Kubernetes API fails") >= 2).then_some(()) }).await;
    write(&folder, &newer);
    assert_eq!(pod.hit("checkout", "a").await.limit, 6);
    assert_eq!(pod.report().await.revision, last.revision);
}

fn write(folder: &std::path::Path, document: &DaemonDocument) {
    for (index, part) in parts(document).into_iter().enumerate() {
        let folder = folder.join(index.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        for (key, value) in part.into_data() {
            std::fs::write(folder.join(key), value).unwrap();
        }
    }
}
