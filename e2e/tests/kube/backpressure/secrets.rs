//! Secrets of a policy's namespace: Prometheus wants a password, callers want TLS.

use std::time::{Duration, Instant};

use e2e::kube::connection::say;
use e2e::kube::daemons;
use e2e::kube::neighbours::beside;
use e2e::kube::place::{PODS, Place, SOON};
use e2e::kube::policies::{self, says};
use e2e::kube::prometheus::Prometheus;
use serde_json::json;

use super::story;

/// A Prometheus that answers nobody but `reader` with the password `a-password`.
const WEB: &str =
    r#"{"basic_auth_users": {"reader": "$2b$04$abcdefghijklmnopqrstuurp8gIuTR7jNLYUS2oWqlo53RjDCp7f6"}}"#;
/// The operator looks at Secrets every half minute.
const A_LOOK: Duration = Duration::from_secs(45);

async fn secret(place: &Place, data: serde_json::Value) {
    place
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "asking"}, "stringData": data,
        }))
        .await;
}

#[tokio::test]
async fn a_password_for_prometheus_comes_from_the_namespace_of_the_policy() {
    story("password", async |place| {
        let allowed = json!({"matchLabels": {"wicketgate.dev/tenant": "yes"}});
        place.cluster("main", json!({"allowedNamespaces": {"selector": allowed}})).await;
        beside(&place, &[("shop", json!({"wicketgate.dev/tenant": "yes"}))], async |places| {
            let shop = &places[0];
            let prometheus = Prometheus::start_with(shop, &[], Some(WEB)).await;
            secret(shop, json!({"username": "reader"})).await;
            let spec = json!({
                "clusterRef": {"name": "main", "namespace": place.namespace},
                "algorithm": {"type": "SignalCap"},
                "signals": [{"name": "load", "query": "vector(2)", "warning": 1, "emergency": 4}],
                "prometheus": {
                    "url": prometheus.url(), "interval": "300ms", "timeout": "1s",
                    "auth": {"basicAuthSecretRef": {"name": "asking"}},
                },
            });
            policies::apply(shop, "search", spec).await;
            daemons::ready(&place, "main", 1).await;
            let told = says(shop, "search", ("SignalsHealthy", "False", "QueryFailed"), PODS).await;
            let missing = format!("the key password of the Secret {}/asking is not there", shop.namespace);
            assert!(told.message.contains(&missing), "{}", told.message);

            let began = Instant::now();
            secret(shop, json!({"username": "reader", "password": "a-password"})).await;
            says(shop, "search", ("SignalsHealthy", "True", "SignalsFresh"), A_LOOK).await;
            says(shop, "search", ("Throttling", "True", "WindowCut"), SOON).await;
            say(&format!("a Secret changes: in force {} ms later", began.elapsed().as_millis()));
            // What the pods may read holds the keys that are named, and no others.
            let held = place.get("Secret", "main-credentials").await.unwrap();
            let keys: Vec<&String> = held.data["data"].as_object().unwrap().keys().collect();
            let entry = |key: &str| format!("{}_asking_{key}", shop.namespace);
            assert_eq!(keys, [&entry("password"), &entry("username")]);
        })
        .await;
    })
    .await;
}
