use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use prometheus::{Encoder as _, TextEncoder};
use tokio::net::TcpListener;

use super::super::tests::manifest;
use super::*;

const CALM: &str = "window: {min: 1, max: 10}\n  algorithm: {type: Gradient2}";

fn text(registry: &Registry) -> String {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// A server that answers every question with an emergency; it goes with the test's runtime.
async fn prometheus() -> String {
    let answer =
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[0,"100"]}]}}"#;
    let router = Router::new().route("/api/v1/query", get(move || async move { answer }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_chain_asks_its_signals_and_is_gone_with_its_last_layer() {
    let url = prometheus().await;
    let registry = Registry::new();
    let chains = Chains::new(&registry, Secrets::default()).unwrap();
    let spec = format!(
        "window: {{min: 1, max: 10}}\n  signals: [{{name: load, query: load, warning: 1, emergency: 4}}]\n  prometheus: {{url: '{url}', interval: 1s}}"
    );
    let mut changes = chains.0.asker.changes();
    let chain = chains.start(policy(&manifest(&spec)).unwrap()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), changes.wait_for(|_| chain.report().throttling))
        .await
        .unwrap()
        .unwrap();
    let report = chain.report();
    assert_eq!((report.window, report.allowance.to_string().as_str()), (1, "0"));
    assert_eq!(report.signals[0].value.as_ref().map(ToString::to_string).as_deref(), Some("100"));
    chains.measure();
    let shown = text(&registry);
    assert!(shown.contains("proxymw_bp_cwdn_max{policy=\"shop/search\"} 10"), "{shown}");
    assert!(
        shown.contains("proxymw_bp_query_value{policy=\"shop/search\",query_name=\"load\"} 100"),
        "{shown}"
    );
    let layer = chain.client_layer();
    drop(chain);
    assert!(text(&registry).contains("shop/search"), "the layer still needs it");
    drop(layer);
    assert!(!text(&registry).contains("shop/search"));
    assert!(chains.start(policy(&manifest(&spec)).unwrap()).is_ok(), "the name is free again");
}

#[tokio::test]
async fn what_cannot_run_is_told_with_the_way_out() {
    let chains = Chains::new(&Registry::new(), Secrets::default()).unwrap();
    let limited = format!("{CALM}\n  rateLimits: [{{name: once, key: [{{header: X-Account}}]}}]");
    let error = chains.start(policy(&manifest(&limited)).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "spec.rateLimits: there is no node to ask; use Chains::with_node, or take them out");
    let running = chains.start(policy(&manifest(CALM)).unwrap()).unwrap();
    let error = chains.start(policy(&manifest(CALM)).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "the policy shop/search runs already; give it another name, or share its chain");
    drop(running);
    let error = policy(&manifest("window: {min: 1, max: 0}")).unwrap_err().to_string();
    assert!(error.contains("line 8: spec.window.max"), "{error}");
    let error = policy("").unwrap_err().to_string();
    assert_eq!(error, "the text holds 0 BackpressurePolicy resources, and a chain has one");
    let registry = Registry::new();
    let _chains = Chains::new(&registry, Secrets::default()).unwrap();
    let error = Chains::new(&registry, Secrets::default()).unwrap_err().to_string();
    assert!(error.contains("one Chains for each registry"), "{error}");
}

#[test]
fn the_example_in_the_documentation_is_the_one_that_is_built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page_path = root.join("docs/backpressure.md");
    let page = fs::read_to_string(&page_path).unwrap();
    let example = fs::read_to_string(root.join("daemon/examples/tower.rs")).unwrap();
    // All but what is said to cargo at its beginning.
    let (_, example) = example.split_once("\n\n").unwrap();
    let (before, rest) = page.split_once("\n## As a library\n").unwrap();
    let (opening, rest) = rest.split_once("```rust\n").unwrap();
    let (shown, after) = rest.split_once("```").unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&page_path, format!("{before}\n## As a library\n{opening}```rust\n{example}```{after}"))
            .unwrap();
        return;
    }
    assert_eq!(
        shown, example,
        "run UPDATE=1 cargo test -p wicketgate-daemon --lib proxy::layer to take the example over"
    );
}
