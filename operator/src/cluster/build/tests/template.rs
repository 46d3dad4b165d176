//! What is in the pod template, and what must never be.

use std::collections::BTreeMap;

use crds::{
    fold::{NamespaceLabels, fold},
    limit::RateLimit,
    part::MAX_PARTS,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::*;
use crate::cluster::{build::environment::RESERVED, fixture::cluster, validate::Identity};

fn template(spec: Value) -> PodTemplateSpec {
    built(spec).stateful_set.spec.template
}

/// The variables that have a value of their own.
fn variables(spec: Value) -> BTreeMap<String, String> {
    let env = template(spec).spec.unwrap().containers[0].env.clone().unwrap();
    env.into_iter().filter_map(|variable| Some((variable.name, variable.value?))).collect()
}

#[test]
fn settings_that_need_a_restart_are_variables() {
    let variables = variables(full());
    for (name, value) in [
        ("GUBER_GRPC_ADDRESS", ":1051"),
        ("GUBER_HTTP_ADDRESS", ":1050"),
        ("WICKETGATE_PEER_ADDRESS", ":1052"),
        ("GUBER_INSTANCE_ID", "$(POD_NAME)"),
        ("GUBER_PEER_DISCOVERY_TYPE", "k8s"),
        ("GUBER_K8S_NAMESPACE", "$(POD_NAMESPACE)"),
        ("GUBER_K8S_POD_IP", "$(POD_IP)"),
        ("GUBER_K8S_POD_PORT", "1052"),
        ("GUBER_K8S_SERVICE_NAME", "main-peers"),
        ("GUBER_K8S_WATCH_MECHANISM", "endpointslices"),
        ("WICKETGATE_DOCUMENT", "main-document"),
        ("WICKETGATE_DOCUMENT_DIR", "/etc/wicketgate/document"),
        ("GUBER_CACHE_SIZE", "5000000"),
        ("WICKETGATE_HASH", "fnv1a"),
        ("WICKETGATE_TIME_ZONE", "Europe/Berlin"),
        ("GUBER_DATA_CENTER", "eu-1"),
        ("GUBER_BATCH_WAIT", "1ms"),
        ("GUBER_BATCH_TIMEOUT", "250ms"),
        ("GUBER_BATCH_LIMIT", "500"),
        ("GUBER_GLOBAL_SYNC_WAIT", "50ms"),
        ("GUBER_GLOBAL_TIMEOUT", "1s"),
        ("GUBER_GLOBAL_BATCH_LIMIT", "100"),
        ("WICKETGATE_ON_OWNER_UNAVAILABLE", "Local"),
        ("WICKETGATE_MAX_CLOCK_SKEW", "1m30s"),
        ("GUBER_GRACEFUL_TERMINATION_DELAY_SEC", "5"),
        ("WICKETGATE_DRAIN_TIMEOUT", "1m"),
        ("GUBER_LOG_LEVEL", "debug"),
        ("GUBER_LOG_FORMAT", "text"),
    ] {
        assert_eq!(variables.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn every_variable_is_reserved_and_those_that_are_referred_to_come_first() {
    let env = template(full()).spec.unwrap().containers[0].env.clone().unwrap();
    let mut names: Vec<_> = env.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names[..3], ["POD_NAME", "POD_NAMESPACE", "POD_IP"]);
    let mut reserved = RESERVED.map(|(name, _)| name);
    names.sort_unstable();
    reserved.sort_unstable();
    assert_eq!(names, reserved);
}

#[test]
fn no_variable_is_empty() {
    assert!(variables(json!({})).values().all(|value| !value.is_empty()));
    assert_eq!(variables(json!({})).get("GUBER_DATA_CENTER"), None);
}

/// A cluster's document with so many limits.
fn parts(spec: Value, limits: usize) -> Vec<k8s_openapi::api::core::v1::ConfigMap> {
    let limits: Vec<RateLimit> = (0..limits)
        .map(|index| {
            let spec = json!({"clusterRef": {"name": "main"}, "limit": index, "duration": "1m"});
            let mut limit = RateLimit::new(&format!("limit-{index}"), serde_json::from_value(spec).unwrap());
            limit.metadata.namespace = Some("edge".into());
            limit
        })
        .collect();
    let folded = fold(&cluster(spec), &limits, [], &NamespaceLabels::new()).unwrap();
    assert_eq!(folded.document.rate_limits.len(), limits.len());
    document_parts(&identity(), &folded.document).unwrap()
}

#[test]
fn limits_travel_without_the_template() {
    let checked = checked(json!({}));
    let before = build(&checked, Some(3), &BTreeSet::new());
    let mut seen = Vec::new();
    for limits in [0, 1, 5_000] {
        let parts = parts(json!({}), limits);
        seen.push(parts.len());
        for (index, part) in parts.iter().enumerate() {
            assert_eq!(part.metadata.name, Some(format!("main-document-{index}")));
            assert_eq!(part.metadata.owner_references, Some(vec![checked.owner().clone()]));
            assert_eq!(part.data.as_ref().unwrap()["parts"], parts.len().to_string());
        }
        assert_eq!(surplus_parts(&identity(), parts.len()).len(), MAX_PARTS - parts.len());
        assert_eq!(build(&checked, Some(3), &BTreeSet::new()), before);
    }
    assert!(seen[2] > seen[1], "{seen:?}");
}

#[test]
fn all_parts_are_mounted_from_the_start() {
    let volumes = template(json!({})).spec.unwrap().volumes.unwrap();
    let sources = volumes[0].projected.clone().unwrap().sources.unwrap();
    assert_eq!(sources.len(), MAX_PARTS);
    for (index, source) in sources.into_iter().enumerate() {
        let file = |key: &str| json!({"key": key, "path": format!("{index}/{key}")});
        assert_eq!(
            serde_json::to_value(source).unwrap(),
            json!({"configMap": {
                "name": format!("main-document-{index}"),
                "optional": true,
                "items": [file("document.yaml"), file("revision"), file("parts")],
            }})
        );
    }
}

#[test]
fn what_a_running_daemon_takes_restarts_no_pod() {
    let before = template(json!({}));
    for spec in [
        json!({"undeclared": "Reject"}),
        json!({"headers": {"style": "None"}}),
        json!({"allowedNamespaces": {"from": "All"}}),
        json!({"replicas": 9}),
        json!({"autoscaling": {"minReplicas": 1, "maxReplicas": 2}}),
        json!({"service": {"type": "NodePort", "grpcPort": 80, "annotations": {"a": "b"}}}),
        json!({"disruption": {"maxUnavailable": 2}}),
        json!({"serviceMonitor": {"enabled": true}}),
        json!({"tls": {"peers": {"mode": "Disabled"}}}),
        json!({"tracing": {"endpoint": "http://collector:4317"}}),
        json!({"paused": true}),
    ] {
        assert_eq!(template(spec.clone()), before, "{spec}");
    }
}

#[test]
fn what_only_a_start_can_change_restarts_the_pods() {
    let before = template(json!({}));
    for spec in [
        json!({"image": {"tag": "dev"}}),
        json!({"imagePullSecrets": [{"name": "x"}]}),
        json!({"capacity": 2_000_000}),
        json!({"hash": "FNV1"}),
        json!({"dataCenter": "eu"}),
        json!({"timeZone": "Europe/Berlin"}),
        json!({"onOwnerUnavailable": "Error"}),
        json!({"maxClockSkew": "1m"}),
        json!({"batching": {"wait": "1ms"}}),
        json!({"global": {"syncWait": "1s"}}),
        json!({"drain": {"delay": "5s"}}),
        json!({"logging": {"level": "debug"}}),
        json!({"podTemplate": {"metadata": {"labels": {"a": "b"}}}}),
    ] {
        assert_ne!(template(spec.clone()), before, "{spec}");
    }
}

#[test]
fn pods_carry_no_version_label() {
    assert!(!template(json!({})).metadata.unwrap().labels.unwrap().contains_key(VERSION_LABEL));
}

#[test]
fn probes_ask_what_they_are_for() {
    let daemon = template(json!({})).spec.unwrap().containers[0].clone();
    let asked = |probe: Option<k8s_openapi::api::core::v1::Probe>| {
        let probe = probe.unwrap();
        let get = probe.http_get.unwrap();
        (get.path.unwrap(), serde_json::to_value(get.port).unwrap(), probe.period_seconds.unwrap())
    };
    assert_eq!(asked(daemon.startup_probe), ("/livez".to_owned(), json!("http"), 1));
    assert_eq!(asked(daemon.readiness_probe), ("/readyz".to_owned(), json!("http"), 1));
    assert_eq!(asked(daemon.liveness_probe), ("/livez".to_owned(), json!("http"), 10));
    assert_eq!(daemon.lifecycle, None);
}

#[test]
fn a_pod_has_time_to_drain() {
    let spec = template(full()).spec.unwrap();
    assert_eq!(spec.termination_grace_period_seconds, Some(5 + 60 + 5));
}

fn identity() -> Identity {
    Identity::of(&cluster(json!({}))).unwrap()
}
