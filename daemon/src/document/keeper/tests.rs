use crds::backpressure::BackpressurePolicy;
use crds::cluster::RateLimitCluster;
use crds::fold::{NamespaceLabels, fold};
use crds::limit::RateLimit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::node::{Needs, NodeSettings};
use crate::proxy::fleet::Surroundings;
use crate::proxy::secrets::Secrets;
use crate::proxy::upstream::ResolveContext;
use crate::server::Doors;

fn node() -> Arc<Node> {
    let needs = Needs { document: true, ..Needs::default() };
    let node = Node::new(NodeSettings { needs, ..NodeSettings::for_test("10.0.0.1:1052") }).unwrap();
    node.start_serving();
    Arc::new(node)
}

fn cluster() -> RateLimitCluster {
    let mut cluster = RateLimitCluster::new("main", Default::default());
    cluster.metadata.namespace = Some("default".to_owned());
    cluster
}

/// A document with a policy that listens at `port`, or with none.
fn document_with_policy(policy: Option<(u16, i64)>) -> Assembly {
    let policies = policy.map(|(port, max)| -> BackpressurePolicy {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "wicketgate.dev/v1alpha1", "kind": "BackpressurePolicy",
            "metadata": { "name": "search", "namespace": "default" },
            "spec": {
                "clusterRef": { "name": "main" }, "listener": { "port": port },
                "upstream": { "url": "http://127.0.0.1:9" },
                "window": { "min": 1, "max": max }, "algorithm": { "type": "Fixed" },
            },
        }))
        .unwrap()
    });
    let policies: Vec<_> = policies.into_iter().collect();
    let document = fold(&cluster(), &[], &policies, &NamespaceLabels::new()).unwrap().document;
    assert_eq!(document.backpressure_policies.len(), policies.len());
    Assembly::Whole { revision: document.revision.clone(), parts: 1, text: document.render().unwrap() }
}

/// Policies on the loopback, served by one thread.
fn fleet(node: &Arc<Node>) -> Arc<Fleet> {
    let fleet = Arc::new(Fleet::new(Surroundings {
        doors: Arc::new(Doors::new(1).unwrap()),
        host: "127.0.0.1".to_owned(),
        node: None,
        families: node.metrics().proxy.clone(),
        secrets: Secrets::default(),
        resolve: ResolveContext::default(),
        drain: CancellationToken::new(),
        tasks: TaskTracker::new(),
    }));
    node.watch_policies(&fleet);
    fleet
}

/// A document with one limit, as its parts state it.
fn document(limit: i64) -> Assembly {
    let cluster = cluster();
    let declared: RateLimit = serde_json::from_value(serde_json::json!({
        "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimit",
        "metadata": { "name": "checkout", "namespace": "default" },
        "spec": { "clusterRef": { "name": "main" }, "limit": limit, "duration": "1m" },
    }))
    .unwrap();
    let document = fold(&cluster, &[declared], &[], &NamespaceLabels::new()).unwrap().document;
    assert_eq!(document.rate_limits.len(), 1);
    Assembly::Whole { revision: document.revision.clone(), parts: 1, text: document.render().unwrap() }
}

fn revision(assembly: &Assembly) -> String {
    match assembly {
        Assembly::Whole { revision, .. } => revision.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_document_comes_in_force_and_the_next_one_replaces_it() {
    let node = node();
    let mut keeper = Keeper::new(Arc::clone(&node), None);
    keeper.waits("nobody answers");
    assert!(node.ready().is_err_and(|why| why.contains("no document yet: nobody answers")));
    for (limit, reloads) in [(5, 0), (5, 0), (6, 1)] {
        let one = document(limit);
        keeper.take(one.clone(), DocumentOrigin::Api).await;
        assert_eq!(node.report().revision, revision(&one));
        assert_eq!(node.metrics().reloads_succeeded.get(), reloads);
    }
    assert_eq!(node.ready(), Ok(()));
}

#[tokio::test]
async fn a_bad_document_is_refused_once_and_the_old_one_stays() {
    let node = node();
    let mut keeper = Keeper::new(Arc::clone(&node), None);
    let good = document(5);
    keeper.take(good.clone(), DocumentOrigin::Api).await;
    let Assembly::Whole { text, .. } = &good else { panic!("{good:?}") };
    let bad = Assembly::Whole {
        revision: "0123".to_owned(),
        parts: 1,
        text: text.replace("limit: 5", "limit: -5"),
    };
    for _ in 0..2 {
        keeper.take(bad.clone(), DocumentOrigin::Api).await;
        let report = node.report();
        assert_eq!(report.revision, revision(&good));
        let refused = report.refused.expect("it is refused");
        assert_eq!(refused.revision, "0123");
        assert!(refused.reason.contains("limit is -5"), "{}", refused.reason);
        assert_eq!(node.metrics().reloads_failed.get(), 1, "it is told once");
    }
    // Back to what is in force: nothing is refused any more.
    keeper.take(good, DocumentOrigin::Api).await;
    assert_eq!(node.report().refused, None);
    keeper.take(bad, DocumentOrigin::Api).await;
    assert_eq!(node.metrics().reloads_failed.get(), 2);
}

#[tokio::test]
async fn what_is_gone_changes_nothing_and_a_first_bad_one_keeps_it_from_being_ready() {
    let node = node();
    let mut keeper = Keeper::new(Arc::clone(&node), None);
    let text = Assembly::Whole { revision: "1".to_owned(), parts: 1, text: "nonsense: [".to_owned() };
    keeper.take(text, DocumentOrigin::Mount).await;
    assert!(node.ready().is_err_and(|why| why.contains("the only one was refused")), "{:?}", node.ready());
    let good = document(5);
    keeper.take(good.clone(), DocumentOrigin::Mount).await;
    keeper.take(Assembly::Missing { what: "it".to_owned() }, DocumentOrigin::Api).await;
    assert_eq!((node.ready(), node.report().revision), (Ok(()), revision(&good)));
    keeper.take(Assembly::Incomplete { parts: 2, why: "half".to_owned() }, DocumentOrigin::Api).await;
    assert_eq!((node.ready(), node.report().revision), (Ok(()), revision(&good)));
    keeper.take(good, DocumentOrigin::Api).await;
    let text = node.metrics().render().unwrap();
    assert!(text.contains("wicketgate_document_source_info{source=\"api\"} 1"), "{text}");
    assert!(!text.contains("source=\"mount\""), "{text}");
}

#[tokio::test]
async fn a_policy_is_kept_over_a_bad_document_and_replaced_by_a_good_one() {
    let node = node();
    let fleet = fleet(&node);
    let mut keeper = Keeper::new(Arc::clone(&node), Some(Arc::clone(&fleet)));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let good = document_with_policy(Some((port, 10)));
    keeper.take(good.clone(), DocumentOrigin::Api).await;
    let source = ObjectName { namespace: "default".to_owned(), name: "search".to_owned() };
    let listens = || fleet.address(&source).is_some_and(|at| at.port() == port);
    let is = |max: i64| {
        let reports = node.report().policies;
        assert_eq!(
            reports.iter().map(|report| (report.max, report.problem.as_str())).collect::<Vec<_>>(),
            [(max, "")]
        );
        assert!(listens());
    };
    is(10);
    let Assembly::Whole { text, .. } = &good else { panic!("{good:?}") };
    let bad = text.replace("max: 10", "max: ten");
    assert_ne!(&bad, text);
    keeper
        .take(Assembly::Whole { revision: "0123".to_owned(), parts: 1, text: bad }, DocumentOrigin::Api)
        .await;
    assert_eq!(node.report().refused.map(|refused| refused.revision).as_deref(), Some("0123"));
    is(10);
    keeper.take(Assembly::Missing { what: "it".to_owned() }, DocumentOrigin::Api).await;
    is(10);
    keeper.take(document_with_policy(Some((port, 20))), DocumentOrigin::Api).await;
    assert_eq!(node.report().refused, None);
    is(20);
    keeper.take(document_with_policy(None), DocumentOrigin::Api).await;
    assert!(node.report().policies.is_empty() && fleet.address(&source).is_none());
}
