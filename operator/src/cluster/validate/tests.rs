use std::{fs, path::Path};

use crds::manifest::{self, Manifest};
use serde_json::{Value, json};

use super::*;
use crate::cluster::fixture::{checked, cluster, environment, refusals, warnings};

#[test]
fn an_empty_spec_is_right() {
    let checked = checked(json!({}));
    assert_eq!(checked.name().as_str(), "main");
    assert_eq!(checked.namespace(), "edge");
    assert_eq!(checked.scale(), &Scale::Fixed(3));
    assert_eq!(
        checked.warnings().iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "spec.tls.peers.mode is Managed: peers speak without TLS in this version; the NetworkPolicy keeps others out"
        ]
    );
}

#[test]
fn each_problem_names_field_value_and_way_out() {
    for (spec, expected) in [
        (json!({"replicas": -1}), "spec.replicas is -1: it must be from 0 to 1000"),
        (
            json!({"autoscaling": {"minReplicas": 4, "maxReplicas": 3}}),
            "spec.autoscaling.maxReplicas is 3: it must be from 4 to 1000",
        ),
        (
            json!({"autoscaling": {"minReplicas": 1, "maxReplicas": 2, "targetCPUUtilizationPercentage": 0}}),
            "spec.autoscaling.targetCPUUtilizationPercentage is 0: it must be from 1 to 100",
        ),
        (json!({"capacity": 0}), "spec.capacity is 0: it must be from 1000 to 1000000000"),
        (json!({"batching": {"limit": 1001}}), "spec.batching.limit is 1001: it must be from 1 to 1000"),
        (json!({"batching": {"wait": "2m"}}), "spec.batching.wait is 2m: it must be from 0s to 1m"),
        (json!({"batching": {"timeout": "1us"}}), "spec.batching.timeout is 1us: it must be from 1ms to 1h"),
        (json!({"global": {"batchLimit": 0}}), "spec.global.batchLimit is 0: it must be from 1 to 1000"),
        (json!({"global": {"syncWait": "0s"}}), "spec.global.syncWait is 0s: it must be from 1ms to 1h"),
        (json!({"maxClockSkew": "25h"}), "spec.maxClockSkew is 25h: it must be from 0s to 24h"),
        (json!({"drain": {"timeout": "7d"}}), "spec.drain.timeout is 168h: it must be from 0s to 1h"),
        (json!({"drain": {"delay": "2h"}}), "spec.drain.delay is 2h: it must be from 0s to 1h"),
        (json!({"service": {"grpcPort": 0}}), "spec.service.grpcPort is 0: it must be from 1 to 65535"),
        (
            json!({"service": {"grpcPort": 80, "httpPort": 80}}),
            "spec.service.grpcPort is 80: spec.service.httpPort is the same: one Service has a port once, choose two",
        ),
        (
            json!({"disruption": {"maxUnavailable": 0}}),
            "spec.disruption.maxUnavailable is 0: it must be from 1 to 1000",
        ),
        (
            json!({"serviceMonitor": {"enabled": true, "interval": "10ms"}}),
            "spec.serviceMonitor.interval is 10ms: it must be from 1s to 24h",
        ),
        (
            json!({"timeZone": "Europe/Atlantis"}),
            "spec.timeZone is Europe/Atlantis: the IANA database has no such time zone; write one such as UTC or Europe/Berlin",
        ),
        (
            json!({"tls": {"clients": {"mode": "Managed"}}}),
            "spec.tls.clients.mode is Managed: TLS towards clients is not available in this version; set spec.tls.clients.mode: Disabled",
        ),
        (
            json!({"tls": {"peers": {"mode": "SecretRef", "secretRef": {"name": "x"}}}}),
            "spec.tls.peers.mode is SecretRef: TLS between peers is not available in this version; set spec.tls.peers.mode: Disabled",
        ),
        (
            json!({"image": {"repository": "example.com/a:1"}}),
            "spec.image is example.com/a:1:1.2.3: a repository is at most 255 characters of a-z, 0-9, '.', '_', '-' and '/', such as docker.io/wicketgate/wicketgated",
        ),
        (
            json!({"image": {"repository": "example.com/a:1", "digest": digest()}}),
            "spec.image.repository is example.com/a:1: a tag belongs into spec.image.tag and a digest into spec.image.digest",
        ),
    ] {
        assert_eq!(refusals(spec.clone()), [expected], "{spec}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let spec = json!({"replicas": -1, "timeZone": "x", "tls": {"clients": {"mode": "Managed"}}, "podTemplate": {"x": 1}});
    let fields: Vec<_> =
        refusals(spec).iter().map(|told| told.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(fields, ["spec.replicas", "spec.timeZone", "spec.tls.clients.mode", "spec.podTemplate.x"]);
}

#[test]
fn bounds_are_included() {
    for spec in [
        json!({"replicas": 0}),
        json!({"replicas": 1000}),
        json!({"autoscaling": {"minReplicas": 3, "maxReplicas": 3}}),
        json!({"capacity": 1000}),
        json!({"capacity": 1_000_000_000}),
        json!({"batching": {"wait": "0s"}}),
        json!({"drain": {"delay": "1h", "timeout": "0s"}}),
        json!({"maxClockSkew": "1d"}),
    ] {
        assert_eq!(refusals(spec.clone()), [""; 0], "{spec}");
    }
}

#[test]
fn a_name_that_children_cannot_have_is_refused() {
    let longest = "a".repeat(52);
    for (name, right) in [("a", true), (longest.as_str(), true), ("default", false), ("A", false)] {
        let mut cluster = cluster(json!({}));
        cluster.metadata.name = Some(name.into());
        let told = validate(&cluster, &environment());
        assert_eq!(told.is_ok(), right, "{name}");
        if let Err(invalid) = told {
            assert!(invalid.to_string().starts_with(&format!("metadata.name is {name}: ")), "{invalid}");
        }
    }
}

#[test]
fn only_what_is_stored_can_own() {
    let mut cluster = cluster(json!({}));
    cluster.metadata.uid = None;
    let told = validate(&cluster, &environment()).unwrap_err().to_string();
    assert_eq!(told, "metadata.uid is missing: only an object that the API server has stored can own others");
}

#[test]
fn the_owner_is_the_controller_and_waits_for_its_children() {
    let owner = checked(json!({})).owner().clone();
    assert_eq!(
        serde_json::to_value(owner).unwrap(),
        json!({
            "apiVersion": "wicketgate.dev/v1alpha1",
            "kind": "RateLimitCluster",
            "name": "main",
            "uid": "5d2f7c1e-0000-4000-8000-000000000001",
            "controller": true,
            "blockOwnerDeletion": true,
        })
    );
}

fn digest() -> String {
    format!("sha256:{}", "a".repeat(64))
}

#[test]
fn the_image_is_the_operators_with_what_the_spec_names() {
    let shipped = format!("docker.io/wicketgate/wicketgated:1.2.3@{}", digest());
    let pinned = Environment { daemon_image: shipped.parse().unwrap(), ..environment() };
    let other = format!("sha256:{}", "b".repeat(64));
    for (environment, image, expected) in [
        (environment(), json!({}), "docker.io/wicketgate/wicketgated:1.2.3".to_owned()),
        (environment(), json!({"tag": "dev"}), "docker.io/wicketgate/wicketgated:dev".to_owned()),
        (environment(), json!({"repository": "localhost:5000/w"}), "localhost:5000/w:1.2.3".to_owned()),
        (
            environment(),
            json!({"tag": "dev", "digest": other}),
            format!("docker.io/wicketgate/wicketgated@{other}"),
        ),
        (pinned.clone(), json!({}), shipped),
        (pinned.clone(), json!({"repository": "mirror/w"}), format!("mirror/w:1.2.3@{}", digest())),
        (pinned.clone(), json!({"tag": "dev"}), "docker.io/wicketgate/wicketgated:dev".to_owned()),
        (pinned, json!({"digest": other}), format!("docker.io/wicketgate/wicketgated@{other}")),
    ] {
        let checked = validate(&cluster(json!({"image": image})), &environment).unwrap();
        assert_eq!(checked.image.to_string(), expected, "{image}");
    }
}

#[test]
fn the_operators_pull_policy_goes_with_its_image() {
    let never = Environment { daemon_pull_policy: Some(PullPolicy::Never), ..environment() };
    for (environment, image, expected) in [
        (environment(), json!({}), PullPolicy::IfNotPresent),
        (never.clone(), json!({}), PullPolicy::Never),
        (never.clone(), json!({"pullPolicy": "Always"}), PullPolicy::Always),
        (never, json!({"tag": "dev"}), PullPolicy::IfNotPresent),
    ] {
        let checked = validate(&cluster(json!({"image": image})), &environment).unwrap();
        assert_eq!(checked.pull_policy, expected, "{image}");
    }
}

#[test]
fn draining_is_counted_in_whole_seconds_and_never_cut_short() {
    for (delay, timeout, delay_seconds, grace) in [
        ("3s", "30s", 3, 38),
        ("0s", "0s", 0, 5),
        ("1ms", "1500ms", 1, 8),
        ("2.5s", "1m", 3, 68),
        ("1h", "1h", 3_600, 7_205),
    ] {
        let drain = checked(json!({"drain": {"delay": delay, "timeout": timeout}})).drain;
        assert_eq!((drain.delay_seconds, drain.grace_seconds()), (delay_seconds, grace), "{delay} {timeout}");
    }
}

#[test]
fn an_autoscaled_set_has_replicas_only_when_it_is_made() {
    let auto = checked(json!({"replicas": 9, "autoscaling": {"minReplicas": 4, "maxReplicas": 8}}));
    assert_eq!((auto.replicas(false), auto.replicas(true)), (Some(4), None));
    let fixed = checked(json!({"replicas": 9}));
    assert_eq!((fixed.replicas(false), fixed.replicas(true)), (Some(9), Some(9)));
}

#[test]
fn what_works_and_is_worth_telling_is_told() {
    for (spec, expected) in [
        (json!({}), None),
        (json!({"replicas": 0}), None),
        (
            json!({"replicas": 1}),
            Some(
                "spec.disruption.maxUnavailable is 1: there may be no more than 1, so that a roll-out or an eviction can take them all away at once: have more of them, or let fewer go",
            ),
        ),
        (
            json!({"drain": {"delay": "0s"}}),
            Some(
                "spec.drain.delay is 0s: a pod that leaves refuses connections before all routes know that it is gone: set 3s",
            ),
        ),
        (
            json!({"tracing": {"endpoint": "http://collector:4317"}}),
            Some("spec.tracing.endpoint is http://collector:4317: this version sends no traces"),
        ),
    ] {
        assert_eq!(warnings(spec.clone()), expected.into_iter().collect::<Vec<_>>(), "{spec}");
    }
}

#[test]
fn a_service_monitor_needs_its_kind() {
    let spec: Value = json!({"serviceMonitor": {"enabled": true}, "tls": {"peers": {"mode": "Disabled"}}});
    assert!(checked(spec.clone()).scrape_interval.is_some());
    let without = Environment { service_monitor: false, ..environment() };
    let checked = validate(&cluster(spec), &without).unwrap();
    assert_eq!(checked.scrape_interval, None);
    assert_eq!(
        checked.warnings()[0].to_string(),
        "spec.serviceMonitor.enabled is true: this Kubernetes has no ServiceMonitor, so there is none until the Prometheus operator's definitions are installed"
    );
}

#[test]
fn every_example_can_be_built() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut clusters = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let read = manifest::read([(path.to_string_lossy(), text)]);
        for located in read.objects {
            let Manifest::RateLimitCluster(mut cluster) = located.manifest else { continue };
            cluster.metadata.uid = Some("1".into());
            let told = validate(&cluster, &environment());
            assert!(told.is_ok(), "{}: {told:?}", path.display());
            clusters += 1;
        }
    }
    assert!(clusters >= 3, "{clusters}");
}
