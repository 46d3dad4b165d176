//! The rules of the definitions, each broken once: the API server's refusal has the rule's message and the
//! field.

use std::collections::BTreeSet;
use std::fs;

use e2e::kube::objects::read;
use e2e::kube::place::{cluster, limit};
use e2e::kube::story::{Turn, story};
use e2e::kube::tools::root;
use serde_json::{Value, json};

use super::{dry_run, policy};

const SECRET: &str = "secretRef is needed with mode SecretRef, and only then";
const WINDOW: &str = "exactly one of duration and calendar must be given";
const MILLIS: &str = "a limit's duration is a whole number of milliseconds, at least 1ms";
const NAME: &str = "metadata.name names Services and pods: at most 52 of a-z, 0-9 and '-', beginning with a letter and ending with a letter or digit";

/// What is changed in the spec of an object that breaks no rule, where the API server finds it, and what it
/// says of it.
type Case = (Value, &'static str, &'static str);

fn of_limits() -> Vec<Case> {
    let overriding = |with: Value| json!({"overrides": [with]});
    vec![
        (json!({"duration": null}), "spec", WINDOW),
        (json!({"calendar": "Day"}), "spec", WINDOW),
        (
            json!({"burst": 7}),
            "spec",
            "burst is for the LeakyBucket algorithm: leave it out, or set algorithm: LeakyBucket",
        ),
        (json!({"duration": "0s"}), "spec.duration", MILLIS),
        (json!({"duration": "1500us"}), "spec.duration", MILLIS),
        (overriding(json!({"limit": 1})), "spec.overrides[0]", "exactly one of key and prefix must be given"),
        (
            overriding(json!({"key": "a"})),
            "spec.overrides[0]",
            "either limit or unlimited: true must be given",
        ),
        // What a schema says without a rule names the field, the value and the bound.
        (json!({"limit": -1}), "spec.limit", "should be greater than or equal to 0"),
        (
            json!({"algorithm": "Sieve"}),
            "spec.algorithm",
            "supported values: \"TokenBucket\", \"LeakyBucket\"",
        ),
        (json!({"duration": "soon"}), "spec.duration", "should match"),
        (json!({"limt": 5}), "spec.limt", "field not declared in schema"),
    ]
}

fn of_clusters() -> Vec<Case> {
    let tls = |side: &str, with: Value| json!({"tls": {side: with}});
    let expression = |with: Value| json!({"allowedNamespaces": {"from": "Selector", "selector": {"matchExpressions": [with]}}});
    let selector = "selector is needed with from Selector, and only then";
    vec![
        (
            json!({"autoscaling": {"minReplicas": 4, "maxReplicas": 3}}),
            "spec.autoscaling",
            "minReplicas must not be greater than maxReplicas",
        ),
        (tls("peers", json!({"mode": "SecretRef"})), "spec.tls.peers", SECRET),
        (tls("clients", json!({"mode": "SecretRef"})), "spec.tls.clients", SECRET),
        (
            tls("clients", json!({"mode": "Disabled", "clientAuth": "Require"})),
            "spec.tls.clients",
            "clientAuth needs a mode other than Disabled",
        ),
        (
            json!({"service": {"grpcPort": 80, "httpPort": 80}}),
            "spec.service",
            "grpcPort and httpPort must be different",
        ),
        (json!({"allowedNamespaces": {"from": "Selector"}}), "spec.allowedNamespaces", selector),
        (json!({"allowedNamespaces": {"from": "All", "selector": {}}}), "spec.allowedNamespaces", selector),
        (
            expression(json!({"key": "team", "operator": "In"})),
            "spec.allowedNamespaces.selector.matchExpressions[0]",
            "values are needed with the operators In and NotIn, and only then",
        ),
        (json!({"replicas": 1_001}), "spec.replicas", "should be less than or equal to 1000"),
        (json!({"hash": "MD5"}), "spec.hash", "supported values: \"XXH3\", \"FNV1\", \"FNV1a\""),
        (json!({"replica": 3}), "spec.replica", "field not declared in schema"),
    ]
}

fn of_policies() -> Vec<Case> {
    let signal = |with: Value| {
        let mut signal = json!({"name": "errors", "query": "up", "warning": "0.5", "emergency": 1});
        lay_over(&mut signal, with);
        json!({"signals": [signal]})
    };
    let limits = |part: Value| json!({"rateLimits": [{"name": "a", "key": [part]}]});
    let auth =
        json!({"bearerTokenSecretRef": {"name": "a", "key": "b"}, "basicAuthSecretRef": {"name": "c"}});
    vec![
        (
            json!({"prometheus": null}),
            "spec",
            "signals need prometheus, the server that answers their queries",
        ),
        (
            json!({"signals": []}),
            "spec",
            "must provide at least one backpressure query when backpressure is enabled",
        ),
        (
            json!({"signals": [{"name": "a", "query": "up"}]}),
            "spec",
            "the algorithm SignalCap needs warning and emergency of every signal",
        ),
        (
            signal(json!({"emergency": null})),
            "spec.signals[0]",
            "warning and emergency must be given both or neither",
        ),
        (
            signal(json!({"emergency": "0.5"})),
            "spec.signals[0]",
            "emergency threshold must be > warn threshold",
        ),
        (
            signal(json!({"warning": "-0.5"})),
            "spec.signals[0]",
            "backpressure query thresholds cannot be negative",
        ),
        (signal(json!({"curve": -1})), "spec.signals[0]", "throttle curve cannot be negative"),
        (
            signal(json!({"query": "'up'"})),
            "spec.signals[0].query",
            "backpressure PromQL cannot be wrapped in quotes",
        ),
        (signal(json!({"query": " "})), "spec.signals[0].query", "empty backpressure query"),
        (json!({"window": {"min": 3, "max": 2}}), "spec.window", "backpressure max window <= min window"),
        (json!({"upstream": {}}), "spec.upstream", "exactly one of service and url must be given"),
        (
            limits(json!({})),
            "spec.rateLimits[0].key[0]",
            "either header or clientAddress: true must be given",
        ),
        (json!({"listener": {"port": 1, "tls": {"mode": "SecretRef"}}}), "spec.listener.tls", SECRET),
        (
            json!({"prometheus": {"url": "http://prometheus:9090", "auth": auth}}),
            "spec.prometheus.auth",
            "at most one of bearerTokenSecretRef and basicAuthSecretRef may be given",
        ),
        (
            json!({"prometheus": {"url": "http://prometheus:9090", "interval": "99ms"}}),
            "spec.prometheus.interval",
            "interval is too short: at least 100ms",
        ),
        (json!({"listener": {"port": 0}}), "spec.listener.port", "should be greater than or equal to 1"),
    ]
}

/// What becomes of a policy's requests on their way.
fn of_traffic() -> Vec<Case> {
    let ca = json!({"caSecretRef": {"name": "ca", "key": "ca.crt"}});
    vec![
        (
            json!({"upstream": {"url": "http://a", "tls": ca}}),
            "spec.upstream",
            "tls is for an upstream whose url begins with https://",
        ),
        (
            json!({"routes": [{"action": "Deny", "window": {"min": 1, "max": 2}}]}),
            "spec.routes[0]",
            "window is for the action Protect",
        ),
        (json!({"routes": [{"name": "a"}, {"name": "a"}]}), "spec", "no two routes may have the same name"),
        (
            json!({"jitter": {"when": "Always"}}),
            "spec.jitter",
            "delay must be non-empty when jitter is enabled",
        ),
        (json!({"window": {"min": 0, "max": 2}}), "spec.window", "backpressure min window < 1"),
    ]
}

/// Sets the fields of `top`; null takes one away.
fn lay_over(whole: &mut Value, top: Value) {
    let Value::Object(top) = top else { return };
    for (field, value) in top {
        whole[field] = value;
    }
    whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

/// Objects that break no rule, and how each may be broken.
fn all() -> [(Value, Vec<Case>); 3] {
    [
        (limit("checkout", json!({})), of_limits()),
        (cluster("main", json!({"replicas": 0})), of_clusters()),
        (policy("search", 8_080), [of_policies(), of_traffic()].concat()),
    ]
}

#[test]
fn every_rule_of_the_definitions_is_broken_once() {
    let mut stated = BTreeSet::new();
    for file in fs::read_dir(root().join("crds/generated")).unwrap() {
        for definition in read(&fs::read_to_string(file.unwrap().path()).unwrap()) {
            messages(&definition, &mut stated);
        }
    }
    let tried = all().into_iter().flat_map(|(_, cases)| cases).map(|(.., message)| message.to_owned());
    let tried: BTreeSet<String> = tried.chain([NAME.to_owned()]).collect();
    // A case may say the beginning alone: what follows tells the way out.
    let is_tried = |rule: &String| tried.iter().any(|tried| rule.starts_with(tried));
    let missed: Vec<_> = stated.iter().filter(|rule| !is_tried(rule)).collect();
    assert!(!stated.is_empty() && missed.is_empty(), "no case breaks these rules: {missed:#?}");
}

/// The messages of all rules in a definition.
fn messages(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let rules = field.as_array().filter(|_| name == "x-kubernetes-validations");
                into.extend(
                    rules.into_iter().flatten().map(|rule| rule["message"].as_str().unwrap().to_owned()),
                );
                messages(field, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| messages(item, into)),
        _ => {}
    }
}

#[tokio::test]
async fn an_object_that_breaks_a_rule_is_refused_with_its_message() {
    story(Turn::Shared, "rules", async |place| {
        for (sound, cases) in all() {
            let kind = sound["kind"].as_str().unwrap();
            dry_run(&place, sound.clone()).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
            for (change, field, message) in cases {
                let mut broken = sound.clone();
                lay_over(&mut broken["spec"], change.clone());
                let refusal =
                    dry_run(&place, broken).await.expect_err(&format!("{kind} with {change} is taken"));
                assert!(refusal.contains(message), "{kind} {change}: {refusal}");
                assert!(refusal.contains(field), "{kind} {change}: {refusal} does not name {field}");
            }
        }
        for name in ["1a", "a.b", &"a".repeat(53)] {
            let refusal = dry_run(&place, cluster(name, json!({}))).await.expect_err(name);
            assert!(refusal.contains(NAME), "{refusal}");
        }
        dry_run(&place, cluster(&"a".repeat(52), json!({}))).await.unwrap();
    })
    .await;
}
