//! The spine of a policy against an API server in memory. What its cluster found is pinned up for it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crds::{condition::Reason, fold::Outcome, report::PolicyReport};
use kube::runtime::controller::Action;
use serde_json::{Value, json};

use super::*;
use crate::{
    board::{Progress, Verdict},
    cluster::fixture,
    declared::reconcile,
    policy::measured::measure,
    scenario::{Scenario, see},
};

mod paced;

struct Scene {
    scenario: Scenario,
    object: Value,
}

fn name(name: &str) -> ObjectName {
    ObjectName { namespace: "edge".into(), name: name.into() }
}

/// What a pod reports, with these fields over those of one that is well.
fn report(with: Value) -> PolicyReport {
    let mut report = json!({
        "source": {"namespace": "edge", "name": "search"}, "window": 100, "max": 100, "inFlight": 3,
        "allowance": "1", "throttling": false, "signals": [{"name": "errors", "value": "0.1", "age": "1s"}],
    });
    for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
        report[name] = value;
    }
    serde_json::from_value(report).unwrap()
}

fn cut(window: i64, allowance: &str) -> PolicyReport {
    let signals = json!([{"name": "errors", "value": "0.7", "age": "1s"}]);
    report(json!({"window": window, "allowance": allowance, "throttling": true, "signals": signals}))
}

impl Scene {
    fn new() -> Self {
        let mut scenario = Scenario::new(fixture::environment());
        see(&mut scenario.writers.clusters, json!(fixture::cluster(json!({}))));
        let object = json!({
            "apiVersion": "wicketgate.dev/v1alpha1", "kind": "BackpressurePolicy",
            "metadata": {"name": "search", "namespace": "edge", "uid": "u", "generation": 1},
            "spec": {
                "clusterRef": {"name": "main"}, "listener": {"port": 8080}, "upstream": {"url": "http://a"},
                "window": {"min": 10, "max": 200}, "prometheus": {"url": "http://p"},
                "signals": [{"name": "errors", "query": "up", "warning": "0.5", "emergency": 1}],
            },
        });
        see(&mut scenario.writers.policies, object.clone());
        scenario.put("backpressurepolicies/search", object.clone());
        Self { scenario, object }
    }

    /// The pods say this, one each.
    fn pods(&self, reports: &[PolicyReport]) {
        let names = ["main-0", "main-1", "main-2"];
        let reports: Vec<_> = names.into_iter().zip(reports.iter().map(Some)).collect();
        self.pin(Progress::InForce { revision: "r1".into() }, None, measure(&reports));
    }

    fn pin(&self, progress: Progress, caution: Option<&str>, measured: Option<Measured>) {
        let verdict = Verdict {
            generation: Some(1),
            outcome: Outcome::Accepted,
            progress,
            caution: caution.map(str::to_owned),
            measured: measured.map(Arc::new),
            since: clock::instant(),
        };
        let verdicts = HashMap::from([(Source::Policy(name("search")), verdict)]);
        let _ = self.scenario.context.board.pin(&name("main"), verdicts);
    }

    /// Reconciles; true where a status was written.
    async fn run(&self) -> (bool, Action) {
        let object = self.scenario.context.caches.policies.get(&name("search")).unwrap();
        let context = Arc::clone(&self.scenario.context);
        let action = reconcile::<BackpressurePolicy>(object, context).await.unwrap();
        let calls = self.scenario.calls();
        assert!(calls.is_empty() || calls == ["PATCH backpressurepolicies/search/status"], "{calls:?}");
        (!calls.is_empty(), action)
    }

    /// The cache sees what was written.
    fn see(&mut self) {
        self.object["status"] = self.status();
        see(&mut self.scenario.writers.policies, self.object.clone());
    }

    fn status(&self) -> Value {
        self.scenario.object("backpressurepolicies/search")["status"].clone()
    }

    /// `type=status reason`, and its message.
    fn condition(&self, kind: &str) -> (String, String) {
        let conditions = self.status()["conditions"].as_array().cloned().unwrap_or_default();
        let found =
            conditions.iter().find(|condition| condition["type"] == kind).cloned().unwrap_or_default();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (format!("{} {}", text("status"), text("reason")), text("message"))
    }

    fn told(&self, reason: &str) -> bool {
        self.times_told(reason) > 0
    }

    fn times_told(&self, reason: &str) -> u64 {
        let families = self.scenario.context.metrics.render().unwrap();
        let told = |line: &&str| line.contains("events") && line.contains(&format!("\"{reason}\""));
        let line = families.lines().find(told);
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
    }

    /// An operator that has just begun: it has said nothing yet, and its cache has seen everything.
    fn begin_anew(&mut self) {
        self.see();
        self.scenario.context.spoken.forget(&name("search"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_tells_what_its_pods_measure() {
    let scene = Scene::new();
    scene.pods(&[report(json!({})), report(json!({"window": 40, "inFlight": 2}))]);
    assert!(scene.run().await.0);
    let status = scene.status();
    assert_eq!(status["summary"], "140/200");
    assert_eq!(status["window"], json!({"total": 140, "min": 40, "max": 100}));
    assert_eq!((&status["inFlight"], &status["allowance"]), (&json!(5), &json!("1")));
    assert_eq!(status["signals"], json!([{"name": "errors", "value": "0.1", "age": "1s", "error": ""}]));
    assert_eq!(scene.condition("Accepted").0, "True Accepted");
    assert_eq!(scene.condition("Programmed").0, "True Programmed");
    assert_eq!(scene.condition("SignalsHealthy").0, "True SignalsFresh");
    assert_eq!(scene.condition("Throttling").0, "False WindowOpen");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_known_before_a_pod_has_spoken_and_that_is_said() {
    let scene = Scene::new();
    scene.pods(&[]);
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("SignalsHealthy").0, "Unknown Pending");
    assert_eq!(scene.condition("Throttling").0, "Unknown Pending");
    assert_eq!(scene.status()["window"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_policy_at_rest_costs_no_call_however_its_signals_age() {
    let mut scene = Scene::new();
    scene.pods(&[report(json!({}))]);
    assert!(scene.run().await.0);
    for seconds in [1, 6, 20, 60, 600] {
        if seconds > 1 {
            scene.see();
        }
        tokio::time::advance(Duration::from_secs(seconds)).await;
        let signals = json!([{"name": "errors", "value": "0.1", "age": format!("{seconds}s")}]);
        scene.pods(&[report(json!({"signals": signals}))]);
        assert_eq!(scene.run().await, (false, Action::await_change()), "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_is_told_at_once_and_its_numbers_seldom() {
    let mut scene = Scene::new();
    scene.pods(&[report(json!({}))]);
    scene.run().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    // The cache has not even seen the first status.
    scene.pods(&[cut(64, "0.641180388")]);
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("Throttling").0, "True WindowCut");
    assert_eq!(scene.condition("Throttling").1, "the window is cut to 0.641 of its size, by errors");
    assert_eq!(scene.status()["summary"], "64/100");
    scene.see();
    // Deeper and deeper: no condition turns.
    tokio::time::advance(Duration::from_secs(4)).await;
    scene.pods(&[cut(41, "0.411")]);
    assert_eq!(scene.run().await, (false, Action::requeue(Duration::from_secs(6))));
    tokio::time::advance(Duration::from_secs(6)).await;
    assert!(scene.run().await.0);
    assert_eq!(scene.status()["summary"], "41/100");
    assert_eq!(scene.condition("Throttling").1, "the window is cut to 0.411 of its size, by errors");
    scene.see();
    tokio::time::advance(Duration::from_secs(1)).await;
    scene.pods(&[report(json!({}))]);
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("Throttling").0, "False WindowOpen");
    assert!(scene.told("ThrottlingStarted") && scene.told("ThrottlingEnded"));
    assert!(!scene.told("SignalsHealthy"), "they were never ill");
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_though_pods_were_silent_and_the_operator_is_another() {
    let mut scene = Scene::new();
    let failed = json!([{"name": "errors", "value": "0.7", "age": "9s", "error": "answered 503"}]);
    let ill = report(json!({"window": 9, "allowance": "0.1", "throttling": true, "signals": failed}));
    scene.pods(std::slice::from_ref(&ill));
    assert!(scene.run().await.0);
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(60)).await;
        scene.begin_anew();
        scene.pods(&[]);
        assert!(scene.run().await.0);
        assert_eq!(scene.condition("Throttling").0, "Unknown WasCut");
        assert_eq!(scene.condition("SignalsHealthy").0, "Unknown WasUnhealthy");
        scene.begin_anew();
        scene.pods(std::slice::from_ref(&ill));
        assert!(scene.run().await.0);
    }
    assert_eq!((scene.times_told("ThrottlingStarted"), scene.times_told("SignalsUnhealthy")), (1, 1));
    assert_eq!((scene.times_told("ThrottlingEnded"), scene.times_told("SignalsHealthy")), (0, 0));
    scene.pods(&[]);
    assert!(scene.run().await.0);
    scene.begin_anew();
    scene.pods(&[report(json!({}))]);
    assert!(scene.run().await.0);
    assert_eq!((scene.times_told("ThrottlingEnded"), scene.times_told("SignalsHealthy")), (1, 1));
    assert_eq!((scene.times_told("ThrottlingStarted"), scene.times_told("SignalsUnhealthy")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_twice_because_a_cache_is_late() {
    let scene = Scene::new();
    scene.pods(&[cut(64, "0.64")]);
    assert!(scene.run().await.0);
    // The cache shows an object without a status for longer than it should.
    tokio::time::advance(UNSEEN * 2).await;
    assert!(scene.run().await.0);
    assert_eq!(scene.times_told("ThrottlingStarted"), 1);
    assert_eq!(scene.times_told("Programmed"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_changes_little_is_written_in_the_end() {
    let mut scene = Scene::new();
    scene.pods(&[report(json!({}))]);
    scene.run().await;
    scene.see();
    tokio::time::advance(Duration::from_secs(12)).await;
    scene.pods(&[report(json!({"inFlight": 90}))]);
    assert_eq!(scene.run().await, (false, Action::requeue(Duration::from_secs(18))));
    tokio::time::advance(Duration::from_secs(18)).await;
    assert!(scene.run().await.0);
    assert_eq!(scene.status()["inFlight"], 90);
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_fails_is_named_with_its_pod_and_its_error() {
    let scene = Scene::new();
    scene.pods(&[report(json!({}))]);
    scene.run().await;
    let failed = json!([{"name": "errors", "value": "0.1", "age": "9s", "error": "answered 503"}]);
    scene.pods(&[report(json!({})), report(json!({"signals": failed}))]);
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("SignalsHealthy").0, "False QueryFailed");
    assert_eq!(scene.condition("SignalsHealthy").1, "errors on main-1: answered 503");
    assert_eq!(scene.status()["signals"][0]["error"], "answered 503");
    assert_eq!(scene.status()["signals"][0]["age"], "1s", "the freshest value is another pod's");
    let lost = json!([{"name": "errors", "error": "answered 503", "lost": true}]);
    scene.pods(&[report(json!({"signals": lost}))]);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("SignalsHealthy").0, "False SignalLost");
    scene.pods(&[report(json!({}))]);
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("SignalsHealthy").0, "True SignalsFresh");
    assert!(scene.told("SignalsUnhealthy") && scene.told("SignalsHealthy"));
}

#[tokio::test(start_paused = true)]
async fn signals_are_fresh_once_each_pod_has_an_answer() {
    let scene = Scene::new();
    let waiting = report(json!({"signals": [{"name": "errors"}]}));
    scene.pods(&[waiting.clone(), waiting.clone()]);
    assert!(scene.run().await.0);
    assert_eq!(scene.status()["signals"][0]["error"], "no answer has come yet");
    scene.pods(&[report(json!({})), waiting.clone(), waiting]);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(scene.run().await.0);
    let (told, message) = scene.condition("SignalsHealthy");
    assert_eq!(told, "Unknown Pending");
    assert_eq!(message, "no answer has come yet for errors on main-1, main-2");
    // An answer without a series says that a signal without thresholds does not fire.
    let quiet = report(json!({"signals": [{"name": "errors", "age": "1s"}]}));
    scene.pods(&[report(json!({})), quiet.clone(), quiet]);
    assert!(scene.run().await.0);
    let (told, message) = scene.condition("SignalsHealthy");
    assert_eq!(told, "True SignalsFresh");
    assert_eq!(message, "every signal has a fresh value on every ready pod that reports");
    assert_eq!(scene.status()["signals"][0]["error"], "");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_serve_it_is_named() {
    let scene = Scene::new();
    let message = "main-1 does not serve it: the port 8080 is taken";
    let progress = Progress::Waiting { reason: Reason::NotServed, message: message.into() };
    scene.pin(progress, None, measure(&[("main-0", Some(&report(json!({}))))]));
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("Programmed"), ("False NotServed".into(), message.into()));
    assert_eq!(scene.condition("Accepted").0, "True Accepted");
    assert!(scene.told("NotServed"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_on_with_what_it_had_is_named_though_all_are_served() {
    let mut scene = Scene::new();
    scene.pods(&[report(json!({}))]);
    assert!(scene.run().await.0);
    scene.see();
    tokio::time::advance(Duration::from_secs(60)).await;
    let message = "main-0 serves it with what it had before: spec.listener.tls: no certificate";
    let progress = Progress::Waiting { reason: Reason::SecretUnusable, message: message.into() };
    scene.pin(progress, None, measure(&[("main-0", Some(&report(json!({}))))]));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("Programmed"), ("False SecretUnusable".into(), message.into()));
    assert_eq!(scene.times_told("SecretUnusable"), 1);
    scene.pods(&[report(json!({}))]);
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("Programmed").0, "True Programmed");
}

#[tokio::test(start_paused = true)]
async fn what_its_owner_should_know_stands_beside_that_it_is_accepted() {
    let scene = Scene::new();
    let progress = Progress::InForce { revision: "r1".into() };
    scene.pin(progress, Some("no RateLimit of the cluster declares a"), None);
    scene.run().await;
    let (told, message) = scene.condition("Accepted");
    assert_eq!(told, "True Accepted");
    assert_eq!(message, "in the document of the cluster edge/main; no RateLimit of the cluster declares a");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_is_put_right_after_a_while() {
    let mut scene = Scene::new();
    scene.pods(&[report(json!({}))]);
    scene.run().await;
    scene.object["status"] = json!({"conditions": []});
    see(&mut scene.scenario.writers.policies, scene.object.clone());
    assert!(!scene.run().await.0, "the cache may be late");
    tokio::time::advance(UNSEEN).await;
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("Programmed").0, "True Programmed");
}
