use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::{Value, json};

use crate::cluster::fixture::{built, refusals, warnings};

fn laid(pod_template: &Value) -> PodSpec {
    built(json!({"podTemplate": pod_template})).stateful_set.spec.template.spec.unwrap()
}

fn daemon(overlay: Value) -> Container {
    let mut container = overlay;
    container["name"] = json!("daemon");
    let spec = laid(&json!({"spec": {"containers": [container]}}));
    assert_eq!(spec.containers.len(), 1);
    spec.containers[0].clone()
}

fn refused(pod_template: &Value) -> Vec<String> {
    refusals(json!({"podTemplate": pod_template}))
}

#[test]
fn maps_and_lists_with_keys_are_merged() {
    let rendered = laid(&json!({}));
    let spec = laid(&json!({"spec": {
        "containers": [
            {"name": "daemon", "env": [{"name": "EXTRA", "value": "1"}]},
            {"name": "sidecar", "image": "example.com/s:1"},
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "nodeSelector": {"pool": "edge"},
        "priorityClassName": "high",
        "securityContext": {"fsGroup": 7},
    }}));
    let names: Vec<_> = spec.containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["daemon", "sidecar"]);
    let (before, after) =
        (rendered.containers[0].env.as_ref().unwrap(), spec.containers[0].env.as_ref().unwrap());
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(
        after[before.len()..].iter().map(|variable| variable.name.as_str()).collect::<Vec<_>>(),
        ["EXTRA"]
    );
    assert_eq!(spec.containers[0].image, rendered.containers[0].image);
    assert_eq!(spec.volumes.unwrap().len(), 2);
    assert_eq!(spec.tolerations.unwrap().len(), 1);
    assert_eq!(spec.node_selector.unwrap()["pool"], "edge");
    assert_eq!(spec.priority_class_name.as_deref(), Some("high"));
    let context = spec.security_context.unwrap();
    assert_eq!((context.fs_group, context.run_as_non_root), (Some(7), Some(true)));
}

#[test]
fn a_spread_is_changed_by_its_topology() {
    let spec = laid(&json!({"spec": {"topologySpreadConstraints": [
        {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 2},
    ]}}));
    let spread: Vec<_> = spec
        .topology_spread_constraints
        .unwrap()
        .into_iter()
        .map(|spread| (spread.topology_key, spread.when_unsatisfiable, spread.max_skew))
        .collect();
    assert_eq!(
        spread,
        [
            ("topology.kubernetes.io/zone".to_owned(), "ScheduleAnyway".to_owned(), 1),
            ("kubernetes.io/hostname".to_owned(), "DoNotSchedule".to_owned(), 2),
        ]
    );
}

#[test]
fn labels_and_annotations_are_added() {
    let set = built(json!({"podTemplate": {"metadata": {
        "labels": {"team": "edge"}, "annotations": {"sidecar.istio.io/inject": "false"},
    }}}))
    .stateful_set;
    let metadata = set.spec.template.metadata.unwrap();
    let labels = metadata.labels.unwrap();
    assert_eq!(labels["team"], "edge");
    let selector = set.spec.selector.match_labels.unwrap();
    assert!(
        selector.iter().all(|(key, value)| labels.get(key) == Some(value)) && !selector.contains_key("team")
    );
    assert_eq!(metadata.annotations.unwrap()["sidecar.istio.io/inject"], "false");
}

#[test]
fn a_sidecars_port_is_open_and_the_peers_stay_shut() {
    let resources = built(json!({"podTemplate": {"spec": {"containers": [
        {"name": "s", "ports": [{"containerPort": 9000}, {"containerPort": 53, "protocol": "UDP"}, {"containerPort": 1052}]},
    ]}}}));
    let ingress = resources.network_policy.spec.unwrap().ingress.unwrap();
    let open = serde_json::to_value(&ingress[0]).unwrap();
    assert_eq!(
        open,
        json!({"ports": [
            {"port": 53, "protocol": "UDP"},
            {"port": 1050, "protocol": "TCP"},
            {"port": 1051, "protocol": "TCP"},
            {"port": 9000, "protocol": "TCP"},
        ]})
    );
}

#[test]
fn another_account_has_the_role() {
    let resources = built(json!({"podTemplate": {"spec": {"serviceAccountName": "mine"}}}));
    assert_eq!(resources.role_binding.subjects.unwrap()[0].name, "mine");
}

#[test]
fn what_the_overlay_names_of_resources_counts_and_the_rest_fits() {
    let quantities = |resources: Value| {
        let resources = daemon(json!({"resources": resources})).resources.unwrap();
        let text = |map: Option<std::collections::BTreeMap<String, _>>| {
            let pairs = map.into_iter().flatten();
            pairs
                .map(|(name, quantity): (String, k8s_openapi::apimachinery::pkg::api::resource::Quantity)| {
                    format!("{name}={}", quantity.0)
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        format!("{} / {}", text(resources.requests), text(resources.limits))
    };
    for (overlay, expected) in [
        (json!({}), "cpu=100m memory=187Mi / memory=374Mi"),
        (json!({"requests": {"cpu": 2}}), "cpu=2 memory=187Mi / memory=374Mi"),
        (json!({"limits": {"cpu": "50m"}}), "cpu=50m memory=187Mi / cpu=50m memory=374Mi"),
        (json!({"limits": {"memory": "100Mi"}}), "cpu=100m memory=100Mi / memory=100Mi"),
        (json!({"limits": {"memory": "1Gi"}}), "cpu=100m memory=187Mi / memory=1Gi"),
        (json!({"requests": {"memory": "1Gi"}}), "cpu=100m memory=1Gi / memory=1Gi"),
        // Both named: whatever the API server says to that.
        (
            json!({"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}),
            "cpu=100m memory=2Gi / memory=1Gi",
        ),
        (
            json!({"limits": {"ephemeral-storage": "1Gi"}}),
            "cpu=100m memory=187Mi / ephemeral-storage=1Gi memory=374Mi",
        ),
    ] {
        assert_eq!(quantities(overlay.clone()), expected, "{overlay}");
    }
}

#[test]
fn a_typing_error_is_named() {
    let unknown = "a pod template has no such field: see to its spelling";
    for (overlay, field) in [
        (json!({"specc": {}}), "spec.podTemplate.specc is {}"),
        (
            json!({"spec": {"nodeSelectors": {"a": "b"}}}),
            "spec.podTemplate.spec.nodeSelectors is {\"a\":\"b\"}",
        ),
        (
            json!({"spec": {"containers": [{"name": "daemon", "enw": []}]}}),
            "spec.podTemplate.spec.containers[0].enw is []",
        ),
        (
            json!({"spec": {"tolerations": [{}, {"$patch": "delete"}]}}),
            "spec.podTemplate.spec.tolerations[1][\"$patch\"] is \"delete\"",
        ),
        (json!({"status": {}}), "spec.podTemplate.status is {}"),
    ] {
        assert_eq!(refused(&overlay), [format!("{field}: {unknown}")], "{overlay}");
    }
}

#[test]
fn a_wrong_type_is_named_where_it_is() {
    for (overlay, expected) in [
        (
            json!({"spec": "x"}),
            "spec.podTemplate.spec is \"x\": invalid type: string \"x\", expected PodSpec",
        ),
        (
            json!({"spec": {"containers": [{"name": "daemon"}, {"name": "b", "env": [{"name": "A", "value": 1}]}]}}),
            "spec.podTemplate.spec.containers[1].env[0].value is 1: invalid type: integer `1`, expected a string",
        ),
        (
            json!({"metadata": {"labels": {"app.kubernetes.io/x": true}}}),
            "spec.podTemplate.metadata.labels[\"app.kubernetes.io/x\"] is true: invalid type: boolean `true`, expected a string",
        ),
        (
            json!({"spec": {"containers": {"name": "daemon"}}}),
            "spec.podTemplate.spec.containers is {\"name\":\"daemon\"}: invalid type: map, expected a sequence",
        ),
    ] {
        let told = refused(&overlay);
        assert_eq!(told.len(), 1, "{overlay}: {told:?}");
        assert!(told[0].starts_with(expected), "{overlay}: {told:?}");
        assert!(told[0].ends_with(": write it as a pod template has it"), "{told:?}");
    }
}

#[test]
fn a_null_takes_nothing_away_and_says_so() {
    assert_eq!(
        refused(&json!({"spec": {"containers": [{"name": "daemon", "resources": {"limits": null}}]}})),
        [
            "spec.podTemplate.spec.containers[0].resources.limits is null: an overlay adds and replaces and takes nothing away: leave the field out"
        ]
    );
}

#[test]
fn what_is_the_operators_is_refused_with_the_way_to_it() {
    let daemon = |with: Value| {
        let mut container = with;
        container["name"] = json!("daemon");
        json!({"spec": {"containers": [container]}})
    };
    let at = "spec.podTemplate.spec.containers[0]";
    for (overlay, expected) in [
        (
            json!({"metadata": {"labels": {"app.kubernetes.io/instance": "x"}}}),
            "spec.podTemplate.metadata.labels[\"app.kubernetes.io/instance\"] is x: the cluster finds its pods by this label: leave it out".to_owned(),
        ),
        (
            json!({"metadata": {"name": "x"}}),
            "spec.podTemplate.metadata.name is x: pods have theirs from the cluster: only labels and annotations count here".to_owned(),
        ),
        (
            json!({"spec": {"containers": [{"image": "x"}]}}),
            format!("{at}.name is missing: containers are told apart by their names; the daemon's is daemon"),
        ),
        (daemon(json!({"image": "x"})), format!("{at}.image is x: the spec has a field for it: set spec.image")),
        (
            daemon(json!({"imagePullPolicy": "Never"})),
            format!("{at}.imagePullPolicy is Never: the spec has a field for it: set spec.image.pullPolicy"),
        ),
        (
            daemon(json!({"env": [{"name": "A"}, {"name": "GUBER_CACHE_SIZE", "value": "1"}]})),
            format!("{at}.env[1].name is GUBER_CACHE_SIZE: the operator sets this variable: set spec.capacity instead"),
        ),
        (
            daemon(json!({"env": [{"name": "POD_IP", "value": "1"}]})),
            format!("{at}.env[0].name is POD_IP: the operator sets this variable: leave it out"),
        ),
        (
            daemon(json!({"ports": [{"containerPort": 1051, "name": "x"}]})),
            format!("{at}.ports[0] is x 1051: the daemon has the ports http 1050, grpc 1051 and peers 1052: take another number and name"),
        ),
        (
            daemon(json!({"ports": [{"containerPort": 9, "name": "peers"}]})),
            format!("{at}.ports[0] is peers 9: the daemon has the ports http 1050, grpc 1051 and peers 1052: take another number and name"),
        ),
        (
            daemon(json!({"volumeMounts": [{"name": "x", "mountPath": "/etc/wicketgate/document"}]})),
            format!("{at}.volumeMounts[].mountPath is /etc/wicketgate/document: the limits are mounted there: choose another path"),
        ),
        (
            json!({"spec": {"volumes": [{"name": "document", "emptyDir": {}}]}}),
            "spec.podTemplate.spec.volumes[].name is document: the volume of that name has the limits: choose another name".to_owned(),
        ),
        (
            json!({"spec": {"terminationGracePeriodSeconds": 37}}),
            "spec.podTemplate.spec.terminationGracePeriodSeconds is 37: a pod drains for up to 38 s (spec.drain.delay, spec.drain.timeout, and 5 s to end): at least that, or leave it out".to_owned(),
        ),
        (
            json!({"spec": {"restartPolicy": "Never"}}),
            "spec.podTemplate.spec.restartPolicy is Never: pods of a StatefulSet have Always: leave it out".to_owned(),
        ),
        (
            json!({"spec": {"serviceAccount": "x"}}),
            "spec.podTemplate.spec.serviceAccount is x: an old name: write serviceAccountName".to_owned(),
        ),
    ] {
        assert_eq!(refused(&overlay), [expected], "{overlay}");
    }
    assert_eq!(
        laid(&json!({"spec": {"terminationGracePeriodSeconds": 38}})).termination_grace_period_seconds,
        Some(38)
    );
}

#[test]
fn what_may_bite_later_is_told() {
    let daemon =
        |resources: Value| json!({"spec": {"containers": [{"name": "daemon", "resources": resources}]}});
    let at = "spec.podTemplate.spec.containers[daemon].resources";
    let auto = json!({"minReplicas": 3, "maxReplicas": 9});
    for (spec, expected) in [
        (
            json!({"podTemplate": daemon(json!({"limits": {"memory": "186Mi"}}))}),
            Some(format!("{at}.limits.memory is 186Mi: with 1000000 buckets (spec.capacity) a pod comes to about 187Mi and would be killed before it is full: raise the one or lower the other")),
        ),
        (json!({"podTemplate": daemon(json!({"limits": {"memory": "187Mi"}}))}), None),
        (
            json!({"autoscaling": auto}),
            Some(format!("{at}.requests.cpu is 100m: the autoscaler aims at 60% of it, which is little: request in the overlay what a pod shall use")),
        ),
        (json!({"autoscaling": auto, "podTemplate": daemon(json!({"requests": {"cpu": "1"}}))}), None),
        (
            json!({"podTemplate": {"spec": {"hostNetwork": true}}}),
            Some("spec.podTemplate.spec.hostNetwork is true: NetworkPolicies do not hold on the node's network: whoever reaches a node's port 1052 can change every count".to_owned()),
        ),
    ] {
        assert_eq!(warnings(spec.clone()), expected.into_iter().collect::<Vec<_>>(), "{spec}");
    }
}

#[test]
fn a_flood_of_typing_errors_is_a_short_answer() {
    let fields: serde_json::Map<String, Value> =
        (0..10_000).map(|index| (format!("field{index}"), json!(1))).collect();
    let cluster = crate::cluster::fixture::cluster(json!({"podTemplate": {"spec": fields}}));
    let environment = crate::cluster::fixture::environment();
    let invalid = crate::cluster::validate::validate(&cluster, &environment).unwrap_err();
    assert_eq!(invalid.problems.len() + invalid.more, 10_000);
    assert!(invalid.to_string().len() < 4_096, "{}", invalid.to_string().len());
}
