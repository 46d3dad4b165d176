use serde_json::{Value, json};

use super::*;

fn broken(name: &str, spec: Value) -> Vec<String> {
    let cluster = RateLimitCluster::new(name, serde_json::from_value(spec).unwrap());
    match cluster.validate_cel() {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_vec().into_iter().map(|error| error.message).collect(),
    }
}

#[test]
fn an_empty_spec_has_the_documented_defaults() {
    let spec: RateLimitClusterSpec = serde_json::from_value(json!({})).unwrap();
    assert_eq!(spec, RateLimitClusterSpec::default());
    let rendered = serde_json::to_value(&spec).unwrap();
    for (pointer, expected) in [
        ("/replicas", json!(3)),
        ("/capacity", json!(1_000_000)),
        ("/hash", json!("XXH3")),
        ("/batching", json!({"wait": "500us", "timeout": "500ms", "limit": 1000})),
        ("/global", json!({"syncWait": "100ms", "timeout": "500ms", "batchLimit": 1000})),
        ("/maxClockSkew", json!("10m")),
        (
            "/tls",
            json!({"peers": {"mode": "Managed"}, "clients": {"mode": "Disabled", "clientAuth": "None"}}),
        ),
        ("/drain", json!({"delay": "3s", "timeout": "30s"})),
        ("/tracing/samplingRatio", json!("0.01")),
    ] {
        assert_eq!(rendered.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn accepts_what_is_right() {
    for spec in [
        json!({}),
        json!({"autoscaling": {"minReplicas": 3, "maxReplicas": 3}}),
        json!({"tls": {"peers": {"mode": "Disabled"}, "clients": {"mode": "Managed", "clientAuth": "Require"}}}),
        json!({"tls": {"peers": {"mode": "SecretRef", "secretRef": {"name": "peers"}}}}),
        json!({"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}),
        json!({"allowedNamespaces": {"from": "Selector", "selector": {
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}, {"key": "c", "operator": "Exists"}],
        }}}),
    ] {
        assert_eq!(broken("main", spec.clone()), [""; 0], "{spec}");
    }
}

#[test]
fn refuses_the_rest_and_says_why() {
    let secret = "secretRef is needed with mode SecretRef, and only then";
    let selector = "selector is needed with from Selector, and only then";
    let values = "values are needed with the operators In and NotIn, and only then";
    for (spec, message) in [
        (
            json!({"autoscaling": {"minReplicas": 4, "maxReplicas": 3}}),
            "minReplicas must not be greater than maxReplicas",
        ),
        (json!({"tls": {"peers": {"mode": "SecretRef"}}}), secret),
        (json!({"tls": {"peers": {"mode": "Managed", "secretRef": {"name": "x"}}}}), secret),
        (json!({"tls": {"clients": {"mode": "SecretRef"}}}), secret),
        (
            json!({"tls": {"clients": {"mode": "Disabled", "clientAuth": "Require"}}}),
            "clientAuth needs a mode other than Disabled",
        ),
        (json!({"service": {"grpcPort": 80, "httpPort": 80}}), "grpcPort and httpPort must be different"),
        (json!({"allowedNamespaces": {"from": "Selector"}}), selector),
        (json!({"allowedNamespaces": {"from": "All", "selector": {}}}), selector),
        (
            json!({"allowedNamespaces": {"from": "Selector", "selector": {
                "matchExpressions": [{"key": "a", "operator": "In"}],
            }}}),
            values,
        ),
        (
            json!({"allowedNamespaces": {"from": "Selector", "selector": {
                "matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}],
            }}}),
            values,
        ),
    ] {
        assert_eq!(broken("main", spec.clone()), [message], "{spec}");
    }
}

#[test]
fn a_name_must_do_for_services_and_pods() {
    for (name, right) in [
        ("main", true),
        ("a", true),
        ("a-1", true),
        ("1a", false),
        ("a-", false),
        ("a.b", false),
        (&"a".repeat(52), true),
        (&"a".repeat(53), false),
    ] {
        assert_eq!(broken(name, json!({})).is_empty(), right, "{name}");
    }
}
