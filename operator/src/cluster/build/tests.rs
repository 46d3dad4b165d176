use std::{fs, path::Path};

use serde_json::{Value, json};

use super::*;
use crate::cluster::fixture::{built, checked};

mod security;
mod template;

/// Everything that a spec can ask for.
fn full() -> Value {
    json!({
        "autoscaling": {"minReplicas": 3, "maxReplicas": 20, "targetCPUUtilizationPercentage": 70},
        "image": {"repository": "registry.example.com/wicketgated", "tag": "v2", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "capacity": 5_000_000,
        "hash": "FNV1a",
        "dataCenter": "eu-1",
        "timeZone": "Europe/Berlin",
        "onOwnerUnavailable": "Local",
        "maxClockSkew": "1m30s",
        "batching": {"wait": "1ms", "timeout": "250ms", "limit": 500},
        "global": {"syncWait": "50ms", "timeout": "1s", "batchLimit": 100},
        "service": {"type": "LoadBalancer", "annotations": {"example.com/lb": "internal"}, "grpcPort": 81, "httpPort": 80},
        "disruption": {"maxUnavailable": 2},
        "drain": {"delay": "4500ms", "timeout": "1m"},
        "logging": {"level": "debug", "format": "text"},
        "serviceMonitor": {"enabled": true, "interval": "1500ms"},
        "podTemplate": {
            "metadata": {"annotations": {"team": "edge"}},
            "spec": {
                "priorityClassName": "high",
                "containers": [
                    {"name": "daemon", "resources": {"requests": {"cpu": 1}}},
                    {"name": "agent", "image": "example.com/agent:1", "ports": [{"containerPort": 9000}]},
                ],
            },
        },
    })
}

fn render(resources: &Resources) -> String {
    let bodies: Vec<String> = resources
        .prepare()
        .unwrap()
        .iter()
        .map(|prepared| format!("---\n{}", serde_yaml::to_string(&prepared.body).unwrap()))
        .collect();
    bodies.concat()
}

#[test]
fn clusters_are_built_as_committed() {
    for (name, spec) in [("minimal", json!({})), ("full", full())] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.yaml"));
        let rendered = render(&built(spec));
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &rendered).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == rendered, "{name}: see to it with UPDATE=1 cargo test -p wicketgate-operator");
    }
}

#[test]
fn pods_come_after_what_they_need() {
    let kinds = |spec| -> Vec<String> {
        built(spec).prepare().unwrap().into_iter().map(|prepared| prepared.target.resource.kind).collect()
    };
    let always = [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "Service",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
    ];
    assert_eq!(kinds(json!({})), [&always[..], &["StatefulSet"]].concat());
    assert_eq!(
        kinds(full()),
        [&always[..], &["StatefulSet", "HorizontalPodAutoscaler", "ServiceMonitor"]].concat()
    );
}

#[test]
fn every_child_is_the_clusters_own() {
    let cluster = checked(full());
    for prepared in build(&cluster, None, &BTreeSet::new()).prepare().unwrap() {
        let metadata = &prepared.body["metadata"];
        let kind = &prepared.target.resource.kind;
        assert_eq!(prepared.body["kind"], json!(kind));
        assert_eq!(prepared.body["apiVersion"], json!(prepared.target.resource.api_version), "{kind}");
        assert_eq!(metadata["namespace"], "edge", "{kind}");
        assert_eq!(metadata["name"], json!(prepared.target.name), "{kind}");
        assert_eq!(metadata["ownerReferences"], json!([cluster.owner()]), "{kind}");
        for (key, value) in cluster.name().labels() {
            assert_eq!(metadata["labels"][&key], json!(value), "{kind} {key}");
        }
        assert_eq!(metadata["labels"][VERSION_LABEL], "v2", "{kind}");
        assert_eq!(prepared.body.get("status"), None, "{kind}");
    }
}

#[test]
fn children_of_the_longest_name_fit() {
    let mut long = crate::cluster::fixture::cluster(json!({}));
    long.metadata.name = Some("a".repeat(52));
    let cluster = crate::cluster::validate::validate(&long, &crate::cluster::fixture::environment()).unwrap();
    for prepared in build(&cluster, None, &BTreeSet::new()).prepare().unwrap() {
        // Services are labels of a domain name, and have the tightest bound of all.
        assert!(prepared.target.name.len() <= 63, "{}", prepared.target.name);
        for (key, value) in prepared.body["metadata"]["labels"].as_object().unwrap() {
            assert!(value.as_str().unwrap().len() <= 63, "{key}");
        }
    }
}

#[test]
fn what_is_not_asked_for_must_not_be_there() {
    let absent = |resources: &Resources| -> Vec<String> {
        resources.absent.iter().map(|named| format!("{}/{}", named.resource.plural, named.name)).collect()
    };
    assert_eq!(
        absent(&built(json!({}))),
        ["horizontalpodautoscalers/main".to_owned(), "servicemonitors/main".to_owned()]
    );
    assert_eq!(absent(&built(full())), [""; 0]);
}

#[test]
fn policies_open_ports_and_touch_no_pod() {
    let cluster = checked(full());
    let before = build(&cluster, None, &BTreeSet::new());
    let after = build(&cluster, None, &BTreeSet::from([8443, 8080]));
    assert_eq!(before.stateful_set, after.stateful_set);
    assert_eq!((&before.role, &before.peers_service), (&after.role, &after.peers_service));
    let ports = serde_json::to_value(after.service.spec.unwrap().ports).unwrap();
    assert_eq!(
        ports.as_array().unwrap()[2..],
        [
            json!({"name": "bp-8080", "port": 8080, "protocol": "TCP", "targetPort": 8080}),
            json!({"name": "bp-8443", "port": 8443, "protocol": "TCP", "targetPort": 8443}),
        ]
    );
    let open = |resources: &NetworkPolicy| -> Vec<String> {
        let rule = &resources.spec.as_ref().unwrap().ingress.as_ref().unwrap()[0];
        rule.ports.iter().flatten().map(|port| format!("{:?}", port.port)).collect()
    };
    let (before, after) = (open(&before.network_policy), open(&after.network_policy));
    let opened: Vec<_> = after.iter().filter(|port| !before.contains(port)).collect();
    assert_eq!(opened, ["Some(Int(8080))", "Some(Int(8443))"]);
}

#[test]
fn the_ports_that_no_policy_may_have_are_the_pods_own() {
    let mut own = crds::fold::POD_PORTS;
    own.sort_unstable();
    assert_eq!(own, [pod::HTTP, pod::GRPC, pod::PEERS]);
}

#[test]
fn without_its_kind_a_service_monitor_is_not_made_and_not_wanted() {
    let environment = crate::cluster::validate::Environment {
        service_monitor: false,
        ..crate::cluster::fixture::environment()
    };
    let cluster = crate::cluster::fixture::cluster(full());
    let resources =
        build(&crate::cluster::validate::validate(&cluster, &environment).unwrap(), None, &BTreeSet::new());
    assert_eq!(resources.service_monitor, None);
    let absent: Vec<_> = resources.absent.iter().map(|named| named.resource.kind.as_str()).collect();
    assert_eq!(absent, ["ServiceMonitor"]);
}

#[test]
fn equal_bodies_have_equal_hashes_and_others_have_not() {
    let hashes = |spec| -> Vec<u64> { built(spec).prepare().unwrap().iter().map(Prepared::hash).collect() };
    let (first, second, other) = (hashes(json!({})), hashes(json!({})), hashes(json!({"replicas": 4})));
    assert_eq!(first, second);
    // Only the StatefulSet, which is last, knows the number of pods.
    assert_eq!(first[..7], other[..7]);
    assert_ne!(first[7], other[7]);
}

#[test]
fn replicas_are_rendered_only_where_they_are_ours() {
    let cluster = checked(full());
    let replicas = |replicas| {
        build(&cluster, replicas, &BTreeSet::new()).prepare().unwrap()[7].body["spec"]
            .get("replicas")
            .cloned()
    };
    assert_eq!(replicas(cluster.replicas(false)), Some(json!(3)));
    assert_eq!(replicas(cluster.replicas(true)), None);
}

/// A StatefulSet with so many replicas, which this manager has set in this way.
fn live(replicas: i32, manager: &str, operation: &str) -> StatefulSet {
    let mut live = built(json!({"replicas": replicas})).stateful_set;
    live.metadata.managed_fields = Some(
        serde_json::from_value(json!([
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
             "fieldsV1": {"f:status": {"f:replicas": {}}}},
            {"manager": manager, "operation": operation,
             "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}},
        ]))
        .unwrap(),
    );
    live
}

#[test]
fn replicas_are_handed_over_before_an_autoscaler_has_them() {
    let auto = checked(json!({"autoscaling": {"minReplicas": 3, "maxReplicas": 9}}));
    for (current, handed) in [(5, 5), (0, 3), (1, 3), (30, 9)] {
        let live = live(current, "wicketgate-operator", "Apply");
        let prepared = hand_over_replicas(&auto, &live).unwrap().unwrap();
        assert_eq!(
            prepared.body,
            json!({
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": {"namespace": "edge", "name": "main"},
                "spec": {"replicas": handed},
            })
        );
    }
}

#[test]
fn nothing_is_handed_over_that_is_not_ours_or_shall_stay_so() {
    let auto = checked(json!({"autoscaling": {"minReplicas": 3, "maxReplicas": 9}}));
    for (manager, operation) in
        [("kube-controller-manager", "Update"), (crate::names::REPLICAS_MANAGER, "Apply")]
    {
        assert_eq!(hand_over_replicas(&auto, &live(5, manager, operation)).unwrap(), None, "{manager}");
    }
    let fixed = checked(json!({}));
    assert_eq!(hand_over_replicas(&fixed, &live(5, "wicketgate-operator", "Apply")).unwrap(), None);
}

#[test]
fn one_pod_at_a_time_goes_unless_more_may() {
    let strategy = |most: i32| {
        let set = built(json!({"disruption": {"maxUnavailable": most}})).stateful_set;
        serde_json::to_value(set.spec.update_strategy.unwrap()).unwrap()
    };
    assert_eq!(strategy(1), json!({"type": "RollingUpdate"}));
    assert_eq!(strategy(2), json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}));
}
