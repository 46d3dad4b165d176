//! Files that cannot be run, and how the process ends.

use e2e::launch::{Ended, Launch};
use e2e::process::Signal;
use http::Method;

use super::proxy::{Proxy, await_seen, chain};
use super::upstream::Upstream;
use crate::manifests::Manifests;

/// EX_USAGE.
const USAGE: Option<i32> = Some(64);

async fn run(text: &str) -> Ended {
    let folder = Manifests::new();
    Launch::proxy(&folder.write("throttle-proxy.yaml", text)).run().await
}

#[tokio::test]
async fn a_file_that_cannot_be_run_ends_it_before_a_port_is_bound() {
    let ended =
        run("upstream: localhost:9090\nproxymw_config: {enable_jitter: true}\nproxy_path: [/a]\n").await;
    assert_eq!(ended.code, USAGE, "{}", ended.stderr);
    for line in [
        "wicketgated: failed to parse upstream URL: invalid scheme for upstream URL \"localhost:9090\", only 'http' and 'https' are supported",
        "wicketgated: failed to create proxymw Routes: failed to validate middleware config: delay must be non-empty when jitter is enabled",
        "wicketgated: warning: proxy_path is no key and is ignored; did you mean proxy_paths?",
    ] {
        assert!(ended.stderr.lines().any(|said| said == line), "lacks {line:?}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("serving") && !ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_file_that_is_not_there_or_no_yaml_is_told() {
    let ended = run("upstream: [").await;
    assert_eq!(ended.code, USAGE, "{}", ended.stderr);
    assert!(ended.stderr.contains("wicketgated: error decoding YAML: "), "{}", ended.stderr);
    let ended = Launch::proxy(Manifests::new().folder().join("absent.yaml").as_path()).run().await;
    assert_eq!(ended.code, USAGE, "{}", ended.stderr);
    assert!(ended.stderr.contains("wicketgated: error opening config file: open "), "{}", ended.stderr);
}

#[tokio::test]
async fn a_path_given_twice_is_told_and_is_no_panic() {
    let ended =
        run("upstream: http://localhost:9090\nproxy_paths: [/a, /healthz]\npassthrough_paths: [/a]\n").await;
    assert_eq!(ended.code, USAGE, "{}", ended.stderr);
    for said in ["passthrough_paths[0] \"/a\" and proxy_paths[0] \"/a\"", "proxy_paths[1] \"/healthz\""] {
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_port_of_the_file_that_is_taken_is_told_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    for key in ["insecure_listen_addr", "internal_listen_addr"] {
        let ended = run(&format!("upstream: http://localhost:9090\n{key}: {at}\n")).await;
        assert_eq!(ended.code, Some(69), "{}", ended.stderr);
        assert!(ended.stderr.contains(key), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn go_s_single_dash_is_taken() {
    let folder = Manifests::new();
    let file = folder.write("throttle-proxy.yaml", "upstream: ftp://u\n");
    let ended = Launch::with(&["proxy", "-config-file"]).arg(&file).run().await;
    assert_eq!(ended.code, USAGE, "{}", ended.stderr);
    assert!(ended.stderr.contains("invalid scheme for upstream URL \"ftp://u\""), "{}", ended.stderr);
}

#[tokio::test]
async fn a_term_signal_lets_requests_end_and_exits_with_0() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::start(&upstream.url(), &chain("")).await;
    let held = proxy.try_send(Method::GET, "/t/hold", &[], "");
    let stop = async {
        await_seen(&upstream, 1).await;
        proxy.signal(Signal::Term);
        e2e::clock::await_condition("the proxy stops", async || proxy.log().contains("stopping")).await;
        upstream.release();
    };
    let (reply, ()) = tokio::join!(held, stop);
    assert_eq!(reply.unwrap().text(), "hello");
    assert_eq!(proxy.ended().await, Some(0));
}
