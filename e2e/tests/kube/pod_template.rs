//! What a person lays over the pods, and what guards the pods: the disruption budget and the network policy.

use e2e::kube::awaiting::eventually;
use e2e::kube::daemons;
use e2e::kube::objects::number;
use e2e::kube::place::SOON;
use e2e::kube::story::{Turn, story};
use e2e::kube::traffic::IMAGE;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::EvictParams;
use serde_json::{Value, json};

#[tokio::test]
async fn an_overlay_is_laid_over_the_pods() {
    story(Turn::Shared, "overlay", async |place| {
        let overlay = json!({
            "metadata": {"annotations": {"example.com/team": "edge"}, "labels": {"tier": "front"}},
            "spec": {
                "terminationGracePeriodSeconds": 60,
                "tolerations": [{"key": "dedicated", "operator": "Exists"}],
                "containers": [{
                    "name": "daemon",
                    "env": [{"name": "EXAMPLE", "value": "1"}],
                    "resources": {"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"memory": "100Mi"}},
                }],
            },
        });
        place.cluster("main", json!({"podTemplate": overlay})).await;
        daemons::ready(&place, "main", 1).await;
        let pod = place.typed::<Pod>().get("main-0").await.unwrap();
        assert_eq!(pod.annotations().get("example.com/team").map(String::as_str), Some("edge"));
        assert_eq!(pod.labels().get("tier").map(String::as_str), Some("front"));
        let spec = serde_json::to_value(pod.spec.unwrap()).unwrap();
        assert_eq!(spec["terminationGracePeriodSeconds"], 60);
        let tolerations = spec["tolerations"].as_array().unwrap();
        assert!(tolerations.iter().any(|toleration| toleration["key"] == "dedicated"), "{tolerations:?}");
        // The daemon's container is the one that was rendered, with this beside.
        assert_eq!(spec["containers"].as_array().map(Vec::len), Some(1));
        let daemon = &spec["containers"][0];
        let variables = daemon["env"].as_array().unwrap();
        let variable = |name: &str| variables.iter().find(|variable| variable["name"] == name);
        assert_eq!(variable("EXAMPLE").map(|variable| &variable["value"]), Some(&json!("1")));
        assert!(variable("GUBER_INSTANCE_ID").is_some(), "{variables:?}");
        let resources = json!({"requests": {"cpu": "20m", "memory": "40Mi"}, "limits": {"memory": "100Mi"}});
        assert_eq!(daemon["resources"], resources);
        assert!(daemon["readinessProbe"].is_object(), "{daemon}");
    })
    .await;
}

#[tokio::test]
async fn a_further_container_runs_beside_the_daemon_and_is_reached() {
    story(Turn::Shared, "sidecar", async |place| {
        let sidecar = json!({
            "name": "second",
            "image": IMAGE,
            "args": ["serve"],
            "env": [
                {"name": "GUBER_GRPC_ADDRESS", "value": ":9051"},
                {"name": "GUBER_HTTP_ADDRESS", "value": ":9050"},
                {"name": "WICKETGATE_PEER_ADDRESS", "value": "127.0.0.1:9052"},
            ],
            "ports": [{"name": "second", "containerPort": 9_050}],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        });
        let daemon = json!({"name": "daemon", "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}});
        place.cluster("main", json!({"podTemplate": {"spec": {"containers": [sidecar, daemon]}}})).await;
        daemons::ready(&place, "main", 1).await;
        let pod = place.typed::<Pod>().get("main-0").await.unwrap();
        let names: Vec<_> =
            pod.spec.unwrap().containers.into_iter().map(|container| container.name).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        let policy = place.get("NetworkPolicy", "main").await.unwrap();
        assert_eq!(open_to_all(&policy.data), [1050, 1051, 9050]);
    })
    .await;
}

/// The ports at which a network policy lets everybody in.
fn open_to_all(policy: &Value) -> Vec<i64> {
    let rules = policy["spec"]["ingress"].as_array().unwrap().iter();
    let open = rules.filter(|rule| rule["from"].is_null());
    open.flat_map(|rule| rule["ports"].as_array().unwrap())
        .map(|port| port["port"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn the_network_policy_keeps_all_but_peers_from_the_peers_port() {
    story(Turn::Shared, "policy", async |place| {
        place.cluster("main", json!({"replicas": 0})).await;
        place.ready("main").await;
        let policy = place.get("NetworkPolicy", "main").await.unwrap().data;
        assert_eq!(open_to_all(&policy), [1050, 1051]);
        let rules = policy["spec"]["ingress"].as_array().unwrap();
        let peers: Vec<_> = rules.iter().filter(|rule| rule["ports"][0]["port"] == 1052).collect();
        assert_eq!(peers.len(), 1, "{rules:?}");
        let selector = &policy["spec"]["podSelector"];
        assert_eq!(peers[0]["from"], json!([{"podSelector": selector}]));
        let set = place.get("StatefulSet", "main").await.unwrap();
        assert_eq!(&set.data["spec"]["selector"], selector);
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]));
    })
    .await;
}

#[tokio::test]
async fn no_more_pods_are_evicted_than_may_be_away() {
    story(Turn::Shared, "evictions", async |place| {
        place.cluster("main", json!({"replicas": 3})).await;
        let names = daemons::ready(&place, "main", 3).await;
        place
            .seen(("PodDisruptionBudget", "main"), "allows one eviction", SOON, |budget| {
                (number(budget, "/status/disruptionsAllowed")? == 1).then_some(())
            })
            .await;
        let pods = place.typed::<Pod>();
        pods.evict(&names[0], &EvictParams::default()).await.unwrap();
        let second = pods.evict(&names[1], &EvictParams::default()).await;
        let refusal = match second {
            Err(kube::Error::Api(status)) => status,
            other => panic!("the second eviction: {other:?}"),
        };
        assert_eq!(refusal.code, 429, "{refusal:?}");
        daemons::ready(&place, "main", 3).await;
        // Once all are back another one may go.
        eventually("the next may be evicted", SOON, async || {
            let evicted = pods.evict(&names[1], &EvictParams::default()).await;
            evicted.map(drop).map_err(|error| error.to_string())
        })
        .await;
    })
    .await;
}
