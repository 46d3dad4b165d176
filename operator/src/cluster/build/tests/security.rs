//! The `restricted` level of Kubernetes' pod security standards, as far as it bears on what we render.

use k8s_openapi::api::core::v1::PodSpec;

use super::*;

/// What of a pod the level forbids, each in its own words.
fn violations(spec: &PodSpec) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut forbid = |forbidden: bool, what| {
        if forbidden {
            found.push(what);
        }
    };
    let pod = spec.security_context.clone().unwrap_or_default();
    let seccomp = |profile: Option<&str>| matches!(profile, Some("RuntimeDefault" | "Localhost"));
    forbid(spec.host_network == Some(true), "host network");
    forbid(spec.host_pid == Some(true) || spec.host_ipc == Some(true), "host namespaces");
    forbid(
        spec.volumes.iter().flatten().any(|volume| volume.projected.is_none() && volume.empty_dir.is_none()),
        "volume type",
    );
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let own = container.security_context.clone().unwrap_or_default();
        let capabilities = own.capabilities.unwrap_or_default();
        let profile = own.seccomp_profile.as_ref().or(pod.seccomp_profile.as_ref());
        forbid(own.privileged == Some(true), "privileged");
        forbid(own.allow_privilege_escalation != Some(false), "privilege escalation");
        forbid(own.run_as_non_root.or(pod.run_as_non_root) != Some(true), "root");
        forbid(own.run_as_user.or(pod.run_as_user) == Some(0), "user 0");
        forbid(!seccomp(profile.map(|profile| profile.type_.as_str())), "seccomp");
        forbid(!capabilities.drop.unwrap_or_default().contains(&"ALL".to_owned()), "capabilities kept");
        forbid(
            capabilities.add.is_some_and(|added| added.iter().any(|one| one != "NET_BIND_SERVICE")),
            "capabilities added",
        );
        forbid(container.ports.iter().flatten().any(|port| port.host_port.is_some()), "host ports");
    }
    found
}

fn pod(spec: Value) -> PodSpec {
    built(spec).stateful_set.spec.template.spec.unwrap()
}

#[test]
fn pods_are_restricted() {
    let spec = pod(json!({}));
    assert_eq!(violations(&spec), [""; 0]);
    let context = spec.containers[0].security_context.as_ref().unwrap();
    assert_eq!(context.read_only_root_filesystem, Some(true));
    let pod = spec.security_context.as_ref().unwrap();
    assert_eq!((pod.run_as_user, pod.run_as_group), (Some(65_532), Some(65_532)));
}

#[test]
fn the_check_finds_what_is_not() {
    for (overlay, expected) in [
        (json!({"hostNetwork": true}), "host network"),
        (json!({"hostPID": true}), "host namespaces"),
        (json!({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}), "volume type"),
        (json!({"containers": [{"name": "daemon", "securityContext": {"privileged": true}}]}), "privileged"),
        (json!({"securityContext": {"runAsNonRoot": false}}), "root"),
        (json!({"securityContext": {"runAsUser": 0}}), "user 0"),
        (json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}), "seccomp"),
        (
            json!({"containers": [{"name": "daemon", "securityContext": {"capabilities": {"drop": []}}}]}),
            "capabilities kept",
        ),
    ] {
        assert_eq!(violations(&pod(json!({"podTemplate": {"spec": overlay}}))), [expected]);
    }
}

#[test]
fn the_role_is_the_least_that_works() {
    let resources = built(json!({}));
    let parts: Vec<String> = (0..16).map(|index| format!("main-document-{index}")).collect();
    assert_eq!(
        serde_json::to_value(resources.role.rules).unwrap(),
        json!([
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": parts, "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["main-credentials"], "verbs": ["get", "list", "watch"]},
        ])
    );
    assert_eq!(resources.service_account.automount_service_account_token, Some(false));
    assert_eq!(
        serde_json::to_value(resources.role_binding.subjects).unwrap(),
        json!([{"kind": "ServiceAccount", "name": "main", "namespace": "edge"}])
    );
}

#[test]
fn an_operator_that_reads_no_secrets_grants_none() {
    let environment =
        crate::cluster::validate::Environment { secrets: false, ..crate::cluster::fixture::environment() };
    let cluster = crate::cluster::fixture::cluster(json!({}));
    let cluster = crate::cluster::validate::validate(&cluster, &environment).unwrap();
    let role = build(&cluster, None, &BTreeSet::new()).role;
    assert!(!serde_json::to_string(&role.rules).unwrap().contains("secrets"));
}

#[test]
fn only_pods_of_the_cluster_reach_the_peers_port() {
    let spec = built(json!({})).network_policy.spec.unwrap();
    let selector = json!({"matchLabels": checked(json!({})).name().selector_labels()});
    assert_eq!(
        serde_json::to_value(&spec).unwrap(),
        json!({
            "podSelector": selector,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": 1050, "protocol": "TCP"}, {"port": 1051, "protocol": "TCP"}]},
                {"from": [{"podSelector": selector}], "ports": [{"port": 1052, "protocol": "TCP"}]},
            ],
        })
    );
}
