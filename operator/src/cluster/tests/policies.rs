//! Policies on their way through a cluster's reconcile: ports, Secrets, and what pods say of them.

use std::time::Duration;

use crds::{reference::ObjectName, report::PodReport};
use kube::runtime::controller::Action;
use serde_json::{Value, json};

use super::{begin, condition, declare, run, settle};
use crate::{
    board::Progress,
    cluster::{credentials, dereference, memory::Memory, pods::PodView, publish},
    ledger::Source,
    scenario::{Scenario, see},
};

/// Long enough for whatever waits.
const LATER: Duration = Duration::from_secs(2);

fn policy(scenario: &mut Scenario, name: &str, port: i32, with: Value) {
    let mut object = json!({
        "apiVersion": "wicketgate.dev/v1alpha1", "kind": "BackpressurePolicy",
        "metadata": {"name": name, "namespace": "edge", "uid": name, "generation": 1},
        "spec": {
            "clusterRef": {"name": "main"}, "listener": {"port": port}, "upstream": {"url": "http://a"},
            "window": {"min": 1, "max": 9},
        },
    });
    for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
        object["spec"][name] = value;
    }
    see(&mut scenario.writers.policies, object);
    scenario.context.declarations_changed();
}

/// A policy that needs a token and a certificate.
fn needy(scenario: &mut Scenario) {
    let with = json!({
        "signals": [{"name": "a", "query": "up", "warning": 1, "emergency": 2}],
        "prometheus": {"url": "http://p", "auth": {"bearerTokenSecretRef": {"name": "prom", "key": "token"}}},
        "listener": {"port": 8443, "tls": {"mode": "SecretRef", "secretRef": {"name": "cert"}}},
    });
    policy(scenario, "needy", 8443, with);
}

fn gone(scenario: &mut Scenario, name: &str) {
    let name = ObjectName { namespace: "edge".into(), name: name.into() };
    let object = scenario.context.caches.policies.get(&name).unwrap();
    let event = kube::runtime::watcher::Event::Delete((*object).clone());
    scenario.writers.policies[0].1.apply_watcher_event(&event);
    scenario.context.declarations_changed();
}

fn secret(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "edge"}, "data": data})
}

async fn rested() -> Scenario {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    tokio::time::advance(LATER).await;
    scenario
}

async fn run_and_list(scenario: &mut Scenario) -> Vec<String> {
    run(scenario).await.unwrap();
    scenario.see();
    declare(scenario, json!({}), 1);
    let calls = scenario.calls();
    calls.into_iter().filter(|call| !call.ends_with("/status")).collect()
}

const OURS: &str = "PATCH secrets/main-credentials";

#[tokio::test(start_paused = true)]
async fn a_policy_changes_a_service_and_a_document_and_no_pod() {
    let mut scenario = rested().await;
    policy(&mut scenario, "search", 8080, json!({}));
    run(&scenario).await.unwrap();
    let ports = scenario.body("PATCH services/main")["spec"]["ports"].clone();
    assert_eq!(ports[2]["name"], "bp-8080");
    let calls = scenario.calls();
    let calls: Vec<_> = calls.iter().filter(|call| !call.ends_with("/status")).collect();
    assert_eq!(
        calls,
        ["PATCH services/main", "PATCH networkpolicies/main", "PATCH configmaps/main-document-0"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_policies_name_of_secrets_is_brought_to_the_pods_and_nothing_else() {
    let mut scenario = rested().await;
    scenario.put("secrets/prom", secret(&json!({"token": "dG9rZW4=", "other": "b3RoZXI="})));
    needy(&mut scenario);
    run(&scenario).await.unwrap();
    let body = scenario.body(OURS);
    assert_eq!(body["data"], json!({"edge_prom_token": "dG9rZW4="}), "what is missing is left out");
    assert_eq!(body["metadata"]["ownerReferences"][0]["name"], "main");
    let calls = scenario.calls();
    let position = |call: &str| calls.iter().position(|made| made == call).unwrap();
    assert!(position(OURS) < position("PATCH configmaps/main-document-0"), "{calls:?}");
    assert!(calls.contains(&"GET secrets/cert".to_owned()), "{calls:?}");
    assert!(!format!("{:?}", scenario.context).contains("dG9rZW4"));
}

#[tokio::test(start_paused = true)]
async fn secrets_are_looked_at_again_now_and_then_and_sent_where_they_differ() {
    let mut scenario = rested().await;
    needy(&mut scenario);
    run_and_list(&mut scenario).await;
    assert_eq!(run_and_list(&mut scenario).await, [""; 0], "one look is enough for a while");
    scenario.put("secrets/cert", secret(&json!({"tls.crt": "YQ==", "tls.key": "Yg=="})));
    tokio::time::advance(Duration::from_secs(30)).await;
    let looked = ["GET secrets/cert", "GET secrets/prom", "GET secrets/main-credentials"];
    let sent = run_and_list(&mut scenario).await;
    assert_eq!(sent[..3], looked);
    assert_eq!(sent.last().unwrap(), OURS);
    let data = scenario.object("secrets/main-credentials")["data"].clone();
    assert_eq!(data, json!({"edge_cert_tls.crt": "YQ==", "edge_cert_tls.key": "Yg=="}));
    // Nothing has changed, and nothing is sent.
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(run_and_list(&mut scenario).await, looked);
    // Somebody has changed ours.
    let mut ours = scenario.object("secrets/main-credentials");
    ours["metadata"]["resourceVersion"] = json!("77");
    scenario.put("secrets/main-credentials", ours);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(run_and_list(&mut scenario).await.contains(&OURS.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn without_need_the_secret_goes_and_no_call_is_made() {
    let mut scenario = rested().await;
    needy(&mut scenario);
    run_and_list(&mut scenario).await;
    // A new leader knows of it by the document alone.
    let _ = scenario.context.forget(&ObjectName { namespace: "edge".into(), name: "main".into() });
    gone(&mut scenario, "needy");
    let mut ours = scenario.object("secrets/main-credentials");
    ours["metadata"]["uid"] = json!("s");
    scenario.put("secrets/main-credentials", ours);
    let calls = run_and_list(&mut scenario).await;
    assert!(calls.contains(&"DELETE secrets/main-credentials".to_owned()), "{calls:?}");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(run_and_list(&mut scenario).await, [""; 0]);
}

/// What the policy's owner should know.
fn caution(scenario: &Scenario) -> String {
    let verdict = scenario.context.board.verdict(&main(), &Source::Policy(named("needy"))).unwrap();
    verdict.caution.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_is_tried_ever_more_seldom_and_holds_up_nothing() {
    let mut scenario = rested().await;
    scenario.fails("GET secrets/prom", 500, "down");
    needy(&mut scenario);
    let calls = run_and_list(&mut scenario).await;
    assert!(calls.contains(&"PATCH configmaps/main-document-0".to_owned()), "{calls:?}");
    assert_eq!(condition(&scenario, "Degraded").0, "False");
    let mut looks = 0;
    for _ in 0..120 {
        tokio::time::advance(Duration::from_secs(1)).await;
        looks += run_and_list(&mut scenario).await.iter().filter(|call| *call == "GET secrets/prom").count();
    }
    // Soon at first, and then as often as one that can be read.
    assert!((8..=14).contains(&looks), "{looks}");
}

#[tokio::test(start_paused = true)]
async fn pods_keep_what_they_have_of_a_secret_that_cannot_be_read_and_its_policy_says_so() {
    const LOOK: Duration = Duration::from_secs(30);
    let mut scenario = rested().await;
    scenario.put("secrets/prom", secret(&json!({"token": "YQ=="})));
    scenario.put("secrets/cert", secret(&json!({"tls.crt": "Yg==", "tls.key": "Yw=="})));
    needy(&mut scenario);
    run_and_list(&mut scenario).await;
    assert_eq!(caution(&scenario), "");
    for (code, why, renewed) in [
        (403, "secrets \"prom\" is forbidden", "MQ=="),
        (500, "etcd is away", "Mg=="),
        (429, "slow down", "Mw=="),
    ] {
        scenario.fails("GET secrets/prom", code, why);
        // A new leader knows of no value either.
        let _ = scenario.context.forget(&main());
        // What can be read goes its way meanwhile.
        scenario.put("secrets/cert", secret(&json!({"tls.crt": renewed, "tls.key": "Yw=="})));
        tokio::time::advance(LOOK).await;
        run_and_list(&mut scenario).await;
        assert_eq!(caution(&scenario), "", "{why}: it may be over at the next look");
        tokio::time::advance(LOOK).await;
        run_and_list(&mut scenario).await;
        let data = scenario.object("secrets/main-credentials")["data"].clone();
        assert_eq!(data["edge_prom_token"], "YQ==", "{why}");
        assert_eq!(data["edge_cert_tls.crt"], renewed, "{why}");
        let expected =
            "the operator cannot read the Secret edge/prom, and the pods keep what they have of it: ";
        assert_eq!(caution(&scenario), format!("{expected}{why}"));
    }
    // Answers that take turns are not told each.
    for (code, why) in [(500, "etcd is away"), (429, "slow down"), (500, "etcd is away")] {
        scenario.heals();
        scenario.fails("GET secrets/prom", code, why);
        tokio::time::advance(LOOK).await;
        run_and_list(&mut scenario).await;
        assert!(caution(&scenario).ends_with(": slow down"), "{}", caution(&scenario));
    }
    // What cannot be decoded is not shown.
    scenario.heals();
    scenario.put("secrets/prom", secret(&json!({"token": ["c2VjcmV0"]})));
    for _ in 0..2 {
        tokio::time::advance(LOOK).await;
        run_and_list(&mut scenario).await;
    }
    assert_eq!(scenario.object("secrets/main-credentials")["data"]["edge_prom_token"], "YQ==");
    assert!(caution(&scenario).ends_with("what the API server answers is no Secret"));
    // Where not even the pods' own can be read, it stays as it is.
    scenario.fails("GET secrets/prom", 500, "etcd is away");
    scenario.fails("GET secrets/main-credentials", 500, "etcd is away");
    tokio::time::advance(LOOK).await;
    let calls = run_and_list(&mut scenario).await;
    assert!(calls.contains(&"GET secrets/main-credentials".to_owned()), "{calls:?}");
    assert!(!calls.contains(&OURS.to_owned()), "{calls:?}");
    scenario.heals();
    scenario.put("secrets/prom", secret(&json!({"token": "ZA=="})));
    tokio::time::advance(LOOK).await;
    run_and_list(&mut scenario).await;
    assert_eq!(scenario.object("secrets/main-credentials")["data"]["edge_prom_token"], "ZA==");
    assert_eq!(caution(&scenario), "");
    // That it is not there is known for certain.
    scenario.fails("GET secrets/prom", 404, "not found");
    tokio::time::advance(LOOK).await;
    run_and_list(&mut scenario).await;
    assert_eq!(scenario.object("secrets/main-credentials")["data"]["edge_prom_token"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_put_in_the_place_of_the_pods_secret_is_not_taken_over() {
    let mut scenario = rested().await;
    scenario.put("secrets/main-credentials", secret(&json!({"edge_prom_token": "c3RvbGVu"})));
    scenario.fails("GET secrets/prom", 403, "forbidden");
    needy(&mut scenario);
    let error = run(&scenario).await.unwrap_err().to_string();
    assert!(error.contains("does not belong to this cluster"), "{error}");
    assert!(!scenario.calls().contains(&OURS.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_was_made_for_pods_is_not_copied_for_others() {
    let mut scenario = rested().await;
    let mut ours = secret(&json!({"token": "c3RvbGVu"}));
    ours["metadata"]["labels"] = json!({
        "app.kubernetes.io/managed-by": "wicketgate-operator", "app.kubernetes.io/instance": "other",
    });
    scenario.put("secrets/prom", ours);
    needy(&mut scenario);
    run(&scenario).await.unwrap();
    assert_eq!(scenario.body(OURS)["data"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_may_not_read_secrets_asks_for_none_and_says_so() {
    let environment =
        crate::cluster::validate::Environment { secrets: false, ..crate::cluster::fixture::environment() };
    let mut scenario = Scenario::new(environment);
    declare(&mut scenario, json!({}), 1);
    needy(&mut scenario);
    let calls = run_and_list(&mut scenario).await;
    assert!(!calls.iter().any(|call| call.contains("secrets/")), "{calls:?}");
    let verdict = scenario.context.board.verdict(&main(), &Source::Policy(named("needy"))).unwrap();
    let caution = verdict.caution.unwrap();
    assert!(caution.contains("rbac.secrets") && caution.contains("edge/cert"), "{caution}");
}

fn named(name: &str) -> ObjectName {
    ObjectName { namespace: "edge".into(), name: name.into() }
}

fn main() -> ObjectName {
    named("main")
}

/// A pod that runs `revision` and says this of policies.
fn pod(name: &str, revision: &str, policies: &Value) -> PodView {
    let report = json!({"revision": revision, "peers": 1, "ring": "r", "buckets": 0, "policies": policies});
    let report: PodReport = serde_json::from_value(report).unwrap();
    let ready_for = Duration::from_secs(60);
    PodView { name: name.into(), ready: true, ready_for, report: Some(report), heard: true }
}

fn says(window: i64, problem: &str) -> Value {
    json!([{
        "source": {"namespace": "edge", "name": "search"}, "problem": problem, "window": window, "max": 9,
        "inFlight": 0, "allowance": "1", "throttling": false,
    }])
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_in_force_when_every_ready_pod_serves_it() {
    let mut scenario = rested().await;
    let limit = json!([{"name": "nobody's", "key": [{"clientAddress": true}]}]);
    policy(&mut scenario, "search", 8080, json!({"rateLimits": limit}));
    let cluster = crate::cluster::fixture::cluster(json!({}));
    let mut memory = Memory::default();
    let declarations = dereference::declarations(&scenario.context, &cluster, &mut memory).unwrap();
    memory.ledger.publish(&declarations.folded.document);
    let revision = declarations.folded.document.revision.clone();
    let mut woken = Vec::new();
    let mut renewed = says(5, "");
    renewed[0]["outdated"] = json!("no certificate");
    for (second, window, reason) in [
        (says(5, ""), Some(9), "in force"),
        (says(6, ""), Some(10), "in force"),
        (renewed, Some(9), "SecretUnusable: main-1 serves it with what it had before: no certificate"),
        (says(0, "the port is taken"), Some(4), "NotServed: main-1 does not serve it: the port is taken"),
        (json!([]), Some(4), "Pending: waiting until every ready pod tells of it: main-1 do not yet"),
    ] {
        let pods = [pod("main-0", &revision, &says(4, "")), pod("main-1", &revision, &second)];
        let context = &scenario.context;
        publish::verdicts(context, &main(), &cluster, &declarations, &pods, &memory, None).await;
        let verdict = context.board.verdict(&main(), &Source::Policy(named("search"))).unwrap();
        assert_eq!(verdict.measured.map(|measured| measured.window.total), window);
        match verdict.progress {
            Progress::InForce { .. } => assert_eq!(reason, "in force"),
            Progress::Waiting { reason: why, message } => assert_eq!(format!("{why}: {message}"), reason),
        }
        assert!(verdict.caution.unwrap().contains("declares nobody's"));
        woken.push(scenario.woken.policies.try_recv().is_ok());
    }
    assert_eq!(woken, [true; 5], "each time it is told that there is news");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_with_secrets_is_looked_at_in_time() {
    let mut scenario = rested().await;
    needy(&mut scenario);
    assert_eq!(run(&scenario).await.unwrap(), Action::requeue(crate::board::LATE));
    assert_eq!(format!("{:?}", credentials::Looked::default()).matches("token").count(), 0);
}
