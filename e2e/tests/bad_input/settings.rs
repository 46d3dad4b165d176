//! Settings that cannot be: the daemon ends before it binds a port, and says what to write instead.

use std::net::TcpListener;

use e2e::launch::{Ended, Launch};

use crate::manifests::Manifests;

/// EX_USAGE: the settings are wrong.
const BAD_SETTINGS: Option<i32> = Some(64);
/// EX_UNAVAILABLE: a port is taken.
const UNAVAILABLE: Option<i32> = Some(69);

fn assert_says(ended: &Ended, code: Option<i32>, words: &[&str]) {
    assert_eq!(ended.code, code, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "lacks {word:?}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("\"serving\""), "{}", ended.stderr);
}

#[tokio::test]
async fn a_bad_value_names_the_variable_the_value_and_what_is_allowed() {
    let cases = [
        ("GUBER_BATCH_WAIT", "soon", "500us"),
        ("GUBER_BATCH_LIMIT", "1001", "1000"),
        ("GUBER_CACHE_SIZE", "-1", "1"),
        ("GUBER_DISABLE_BATCHING", "perhaps", "true"),
        ("GUBER_GRPC_ADDRESS", "nowhere", "host:port"),
        ("GUBER_LOG_LEVEL", "loud", "debug"),
        ("GUBER_PEER_DISCOVERY_TYPE", "telepathy", "static"),
        ("WICKETGATE_TIME_ZONE", "Mars/Olympus", "IANA"),
        ("WICKETGATE_PEERS", "a,b", "host:port"),
        ("WICKETGATE_ON_OWNER_UNAVAILABLE", "Panic", "NextPeer"),
    ];
    for (name, value, allowed) in cases {
        let ended = Launch::serve().env(name, value).run().await;
        assert_says(&ended, BAD_SETTINGS, &[name, value, allowed]);
    }
}

#[tokio::test]
async fn every_bad_setting_is_told_at_once() {
    let launch = Launch::serve().env("GUBER_BATCH_WAIT", "soon").env("GUBER_CACHE_SIZE", "lots");
    assert_says(&launch.run().await, BAD_SETTINGS, &["GUBER_BATCH_WAIT", "soon", "GUBER_CACHE_SIZE", "lots"]);
}

#[tokio::test]
async fn a_bad_line_of_the_configuration_file_is_told_by_number() {
    let folder = Manifests::new();
    let path = folder.write("daemon.conf", "# comment\nGUBER_LOG_LEVEL = info\nno equals sign\n");
    let launch = Launch::serve().arg("--config").arg(&path);
    assert_says(&launch.run().await, BAD_SETTINGS, &["daemon.conf", "3"]);
    let launch = Launch::serve().arg("--config").arg(folder.folder().join("absent.conf"));
    assert_says(&launch.run().await, BAD_SETTINGS, &["absent.conf"]);
}

#[tokio::test]
async fn the_environment_wins_over_the_file() {
    let folder = Manifests::new();
    let path = folder.write("daemon.conf", "GUBER_BATCH_WAIT = 1ms\nGUBER_LOG_FORMAT = text\n");
    // Started, it logs JSON: the harness reads its serving line.
    let daemon = Launch::serve().arg("--config").arg(&path).start().await;
    assert!(!daemon.records().is_empty());
}

#[tokio::test]
async fn a_misspelt_variable_is_a_warning_that_names_the_nearest() {
    let daemon = Launch::serve().env("GUBER_CACHE_SIZ", "10").start().await;
    let log = daemon.log();
    assert!(log.contains("GUBER_CACHE_SIZ") && log.contains("GUBER_CACHE_SIZE"), "{log}");
}

#[tokio::test]
async fn a_setting_that_would_not_be_safe_to_ignore_keeps_it_from_starting() {
    let ended = Launch::serve().env("GUBER_TLS_CERT", "/nowhere/cert.pem").run().await;
    assert_says(&ended, BAD_SETTINGS, &["GUBER_TLS_CERT", "TLS"]);
}

#[tokio::test]
async fn a_port_in_use_is_told_with_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for variable in ["GUBER_GRPC_ADDRESS", "GUBER_HTTP_ADDRESS"] {
        let ended = Launch::serve().env(variable, &address).run().await;
        assert_says(&ended, UNAVAILABLE, &[&address]);
    }
}

#[tokio::test]
async fn a_first_port_that_leaves_none_for_the_last_node_is_told() {
    let manifests = Manifests::cluster(3, &[], &[]);
    for (flag, other) in [("--grpc-address", "--http-address"), ("--http-address", "--grpc-address")] {
        let launch = Launch::with(&["standalone", flag, "127.0.0.1:65533", other, "127.0.0.1:0", "-f"]);
        let ended = launch.arg(manifests.folder()).run().await;
        assert_says(&ended, BAD_SETTINGS, &[flag, "127.0.0.1:65533", "replica 2", "choose a lower one"]);
    }
}

#[tokio::test]
async fn an_unknown_argument_is_told() {
    let ended = Launch::with(&["serve", "--nonsense"]).run().await;
    assert_says(&ended, BAD_SETTINGS, &["--nonsense"]);
    let ended = Launch::with(&["nonsense"]).run().await;
    assert_says(&ended, BAD_SETTINGS, &["nonsense"]);
}
