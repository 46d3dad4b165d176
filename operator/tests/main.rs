//! The program as a person meets it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod api;
mod process;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wicketgate-operator")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn crds_prints_what_is_committed() {
    let output = run(&["crds"]);
    assert!(output.status.success());
    let generated = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/generated");
    let kinds = ["ratelimitclusters", "ratelimits", "backpressurepolicies"];
    let expected: String = kinds
        .map(|kind| format!("---\n{}", fs::read_to_string(generated.join(format!("{kind}.yaml"))).unwrap()))
        .concat();
    assert!(text(&output.stdout) == expected, "run UPDATE=1 cargo test -p wicketgate-crds");
}

#[test]
fn crds_prints_three_definitions() {
    let printed = text(&run(&["crds"]).stdout);
    let names: Vec<String> = serde_yaml::from_multiple::<serde_json::Value>(&printed)
        .unwrap()
        .iter()
        .map(|definition| definition["spec"]["names"]["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["RateLimitCluster", "RateLimit", "BackpressurePolicy"]);
}

#[test]
fn help_teaches() {
    for args in [&["--help"][..], &["crds", "--help"]] {
        let output = run(args);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("wicketgate-operator crds | kubectl apply --server-side -f -"));
    }
    let help = text(&run(&["run", "--help"]).stdout);
    for taught in ["WICKETGATE_DAEMON_IMAGE", "--leader-elect=false", "POD_NAMESPACE"] {
        assert!(help.contains(taught), "{taught}: {help}");
    }
    assert!(text(&run(&["--version"]).stdout).starts_with("wicketgate-operator "));
}

#[test]
fn a_wrong_command_line_is_refused() {
    for args in [&[][..], &["crdz"], &["crds", "more"], &["crds", "--nothing"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(text(&output.stderr).contains("Usage"), "{args:?}: {}", text(&output.stderr));
    }
}
