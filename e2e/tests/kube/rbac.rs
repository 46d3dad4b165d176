//! The least that works: what the pods' account and the operator's may do, and under which security pods run.

use e2e::kube::daemons;
use e2e::kube::installation::{NAMESPACE, OPERATOR};
use e2e::kube::objects::api_version;
use e2e::kube::story::{Turn, story};
use e2e::kube::tools::kubectl;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

/// Asks whether an account may do something, as its administrator would.
pub(super) async fn may(account: &str, namespace: &str, question: &str) -> bool {
    let account = format!("--as=system:serviceaccount:{account}");
    let mut args = vec!["auth", "can-i", "--quiet", &account];
    if namespace == "*" {
        args.push("--all-namespaces");
    } else {
        args.extend(["--namespace", namespace]);
    }
    args.extend(question.split_whitespace());
    let outcome = kubectl(&args).await;
    // Nobody may do anything with a kind that does not exist.
    assert!(!outcome.stderr.contains("doesn't have a resource type"), "kubectl {args:?}: {}", outcome.stderr);
    match outcome.code {
        Some(0) => true,
        Some(1) if !outcome.stderr.contains("rror") => false,
        _ => panic!("kubectl {args:?}: {outcome:?}"),
    }
}

#[tokio::test]
async fn the_pods_read_their_document_and_their_peers_and_nothing_else() {
    story(Turn::Shared, "account", async |place| {
        place.cluster("main", json!({"replicas": 0})).await;
        place.ready("main").await;
        let (here, account) = (&place.namespace, format!("{}:main", place.namespace));
        for question in [
            "get configmaps/main-document-0",
            "watch configmaps/main-document-15",
            "list endpointslices.discovery.k8s.io",
            "watch endpointslices.discovery.k8s.io",
            "watch services",
            "get secrets/main-credentials",
            "watch secrets/main-credentials",
        ] {
            assert!(may(&account, here, question).await, "{question}");
        }
        for question in [
            "get secrets",
            "list secrets",
            "get secrets/other-credentials",
            "update secrets/main-credentials",
            "patch services",
            "get configmaps",
            "list configmaps",
            "get configmaps/kube-root-ca.crt",
            "get configmaps/main-document-16",
            "get configmaps/other-document-0",
            "update configmaps/main-document-0",
            "patch configmaps/main-document-0",
            "get pods",
            "create pods",
            "patch endpointslices.discovery.k8s.io",
            "get ratelimits.wicketgate.dev",
            "patch ratelimits.wicketgate.dev --subresource=status",
            "create serviceaccounts --subresource=token",
            "create events.events.k8s.io",
        ] {
            assert!(!may(&account, here, question).await, "{question}");
        }
        for question in ["get configmaps/main-document-0", "list endpointslices.discovery.k8s.io"] {
            assert!(!may(&account, "default", question).await, "{question} elsewhere");
        }
    })
    .await;
}

#[tokio::test]
async fn the_operator_reads_what_policies_name_and_cannot_make_pods() {
    story(Turn::Shared, "operator", async |_| {
        let account = format!("{NAMESPACE}:{OPERATOR}");
        for question in [
            "watch ratelimits.wicketgate.dev",
            "patch ratelimits.wicketgate.dev --subresource=status",
            "patch statefulsets.apps",
            "list pods",
            "get secrets",
        ] {
            assert!(may(&account, "*", question).await, "{question}");
        }
        for question in [
            "update secrets",
            "deletecollection secrets",
            "create pods",
            "delete pods",
            "create pods --subresource=exec",
            "patch ratelimits.wicketgate.dev",
            "delete ratelimitclusters.wicketgate.dev",
            "patch customresourcedefinitions.apiextensions.k8s.io",
            "create clusterroles.rbac.authorization.k8s.io",
            "escalate roles.rbac.authorization.k8s.io",
            "bind clusterroles.rbac.authorization.k8s.io",
            "deletecollection statefulsets.apps",
            "create serviceaccounts --subresource=token",
            "impersonate serviceaccounts",
            "get nodes",
        ] {
            assert!(!may(&account, "*", question).await, "{question}");
        }
        assert!(may(&account, NAMESPACE, &format!("update leases.coordination.k8s.io/{OPERATOR}")).await);
        assert!(!may(&account, NAMESPACE, "update leases.coordination.k8s.io/other").await);
        assert!(!may(&account, "kube-system", &format!("get leases.coordination.k8s.io/{OPERATOR}")).await);
    })
    .await;
}

#[tokio::test]
async fn pods_run_where_only_restricted_ones_may() {
    story(Turn::Shared, "restricted", async |place| {
        // The level is enforced here: an ordinary pod is not taken.
        let ordinary = json!({
            "apiVersion": api_version("Pod"),
            "kind": "Pod",
            "metadata": {"name": "ordinary"},
            "spec": {"containers": [{"name": "c", "image": e2e::kube::traffic::IMAGE}]},
        });
        let refusal = place.try_apply(ordinary).await.expect_err("an ordinary pod is taken");
        assert!(refusal.contains("violates PodSecurity \"restricted:"), "{refusal}");

        place.cluster("main", json!({})).await;
        daemons::ready(&place, "main", 1).await;
        let pod = place.typed::<Pod>().get("main-0").await.unwrap();
        let spec = serde_json::to_value(pod.spec.unwrap()).unwrap();
        let container = &spec["containers"][0];
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{spec}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{container}");
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
        assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
        // Node and other pods are out of reach, and nothing that could be written is mounted.
        for field in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(spec[field].is_null() || spec[field] == false, "{field}: {}", spec[field]);
        }
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().all(|mount| mount["readOnly"] == true), "{mounts:?}");
    })
    .await;
}
