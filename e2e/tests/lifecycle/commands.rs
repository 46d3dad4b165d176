//! The commands beside `serve` and `standalone`.

use e2e::clock::await_condition;
use e2e::launch::Launch;
use e2e::ports;
use e2e::process::Signal;
use serde_json::Value;

use super::key_of_another;
use crate::manifests::Manifests;
use crate::requests::token;
use crate::rings;

#[tokio::test]
async fn help_names_the_commands_and_version_the_version() {
    let help = Launch::with(&["--help"]).run().await;
    assert_eq!(help.code, Some(0));
    for word in ["serve", "standalone", "check", "health", "load", "completions", "Exit codes"] {
        assert!(help.stdout.contains(word), "lacks {word}: {}", help.stdout);
    }
    for command in ["serve", "standalone", "check", "health", "load", "completions"] {
        let help = Launch::with(&[command, "--help"]).run().await;
        assert_eq!((help.code, help.stdout.contains("Usage:")), (Some(0), true), "{command}: {help:?}");
    }
    let version = Launch::with(&["--version"]).run().await;
    assert_eq!(version.code, Some(0));
    assert_eq!(version.stdout.trim(), format!("wicketgated {}", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn standalone_logs_as_its_environment_says() {
    let manifests = Manifests::cluster(1, &[], &[]);
    let launch =
        Launch::with(&["standalone", "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"]);
    // Started, it logs JSON: the harness reads its serving line.
    let daemon = launch.arg("-f").arg(manifests.folder()).env("GUBER_LOG_FORMAT", "json").start().await;
    assert!(!daemon.records().is_empty());
}

#[tokio::test]
async fn completions_are_written_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let written = Launch::with(&["completions", shell]).run().await;
        assert_eq!(written.code, Some(0));
        assert!(written.stdout.contains("standalone"), "{shell}: {}", written.stdout);
    }
}

#[tokio::test]
async fn health_tells_by_its_exit_code() {
    let daemon = Launch::serve().start().await;
    let url = format!("http://{}", daemon.node().http);
    let healthy = Launch::with(&["health", &url]).run().await;
    assert_eq!(healthy.code, Some(0), "{healthy:?}");
    assert!(healthy.stdout.contains("healthy"), "{healthy:?}");
    let by_variable =
        Launch::with(&["health"]).env("GUBER_HTTP_ADDRESS", daemon.node().http.to_string()).run().await;
    assert_eq!(by_variable.code, Some(0), "{by_variable:?}");

    let [nobody] = ports::free();
    let url = format!("http://{nobody}");
    let silent = Launch::with(&["health", &url]).env("GUBER_HTTP_RETRY_COUNT", "0").run().await;
    assert_eq!(silent.code, Some(69), "{silent:?}");
    assert!(silent.stderr.contains(&nobody.to_string()), "{silent:?}");
}

#[tokio::test]
async fn health_of_an_unhealthy_node_is_exit_code_2() {
    let members = rings::processes::<2>(&[]).await;
    let asked = &members[0];
    let (key, _) = key_of_another(&asked.client).await;
    members[1].daemon.signal(Signal::Kill);
    await_condition("the loss is noticed", async || {
        asked.client.hit_one(token(&key, 1, 10, 60_000)).await;
        asked.client.health().await.is_ok_and(|health| health.status == "unhealthy")
    })
    .await;
    let url = format!("http://{}", asked.daemon.node().http);
    let told = Launch::with(&["health", &url]).env("GUBER_HTTP_RETRY_COUNT", "0").run().await;
    assert_eq!(told.code, Some(2), "{told:?}");
}

#[tokio::test]
async fn load_sends_what_it_is_told_and_no_more() {
    let daemon = Launch::serve().start().await;
    let address = daemon.node().grpc.to_string();
    let load = Launch::with(&["load", "--address", &address, "--calls", "200", "--items", "5"])
        .arg("--connections=2")
        .arg("--concurrency=4");
    let text = load.run().await;
    assert_eq!(text.code, Some(0), "{text:?}");
    for word in ["p50", "p99"] {
        assert!(text.stdout.contains(word), "lacks {word}: {}", text.stdout);
    }
    let http = daemon.node().http();
    let items = r#"gubernator_getratelimit_counter{calltype="local"}"#;
    await_condition("a thousand items were counted", async || http.metric(items).await == Some(1000.0)).await;

    let load = Launch::with(&["load", "--address", &address, "--duration", "300ms", "--json"]).run().await;
    assert_eq!(load.code, Some(0), "{load:?}");
    let report: Value = serde_json::from_str(&load.stdout).expect("JSON on standard output");
    assert!(report.as_object().is_some_and(|report| !report.is_empty()), "{report}");

    let [nobody] = ports::free();
    let refused = Launch::with(&["load", "--address", &nobody.to_string(), "--calls", "1"]).run().await;
    assert_eq!(refused.code, Some(69), "{refused:?}");
}
