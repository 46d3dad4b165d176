//! Secrets of a policy's namespace: Prometheus wants a password, callers want TLS.

use std::time::{Duration, Instant};

use e2e::kube::backend::Backend;
use e2e::kube::connection::say;
use e2e::kube::daemons;
use e2e::kube::neighbours::beside;
use e2e::kube::place::{PODS, Place, SOON};
use e2e::kube::policies::{self, Entry, says};
use e2e::kube::prometheus::Prometheus;
use e2e::kube::tools::run;
use serde_json::json;
use tempfile::TempDir;

use super::story;
use crate::kube::rbac::may;

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
        place.cluster("main", json!({"allowedNamespaces": {"from": "Selector", "selector": allowed}})).await;
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
            let account = format!("{}:main", place.namespace);
            assert!(may(&account, &place.namespace, "get secrets/main-credentials").await);
            assert!(
                !may(&account, &shop.namespace, "get secrets/asking").await,
                "the pods read another's Secret"
            );
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn callers_meet_the_certificate_of_a_secret() {
    story("listener-tls", async |place| {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (certificate, key) = (path("tls.crt"), path("tls.key"));
        let mut issue = vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
        issue.extend(["-nodes", "-days", "1", "-subj", "/CN=main", "-addext", "subjectAltName=DNS:main"]);
        issue.extend(["-keyout", &key, "-out", &certificate]);
        run("openssl", &issue).await.ok();
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        place
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "certificate"},
                "type": "kubernetes.io/tls",
                "stringData": {"tls.crt": read(&certificate), "tls.key": read(&key)},
            }))
            .await;
        place.cluster("main", json!({})).await;
        let _backend = Backend::start(&place, "backend", 4, 1).await;
        let tls = json!({"mode": "SecretRef", "secretRef": {"name": "certificate"}});
        policies::apply(&place, "search", json!({"listener": {"port": 8443, "tls": tls}})).await;
        daemons::ready(&place, "main", 1).await;
        place.condition((policies::KIND, "search"), ("Programmed", "True"), A_LOOK).await;

        let entry = Entry::open(&place, "main-0", 8443).await;
        let port = entry.address().port();
        let (url, resolve) = (format!("https://main:{port}/"), format!("main:{port}:127.0.0.1"));
        let ask =
            ["-sS", "--max-time", "10", "--noproxy", "*", "--cacert", &certificate, "--resolve", &resolve];
        let answer = run("curl", &[&ask[..], &[&url]].concat()).await.ok();
        assert_eq!(answer, "backend", "the backend says its pod's name");

        // A certificate that is not there: the port cannot be served, and the status says what is missing.
        let other = json!({"mode": "SecretRef", "secretRef": {"name": "nowhere"}});
        policies::apply(&place, "other", json!({"listener": {"port": 8444, "tls": other}})).await;
        let told = says(&place, "other", ("Programmed", "False", "NotServed"), SOON).await;
        assert!(
            told.message.contains(&format!("the Secret {}/nowhere", place.namespace)),
            "{}",
            told.message
        );
    })
    .await;
}
