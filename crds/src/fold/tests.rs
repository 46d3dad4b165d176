use serde_json::{Value, json};

use super::*;

fn cluster(spec: Value) -> RateLimitCluster {
    let mut cluster = RateLimitCluster::new("main", serde_json::from_value(spec).unwrap());
    cluster.metadata.namespace = Some("edge".into());
    cluster
}

/// A limit `namespace/name` of the cluster edge/main, with these fields over the usual ones.
fn limit(name: &str, created: Option<&str>, with: Value) -> RateLimit {
    let (namespace, name) = name.split_once('/').unwrap();
    let mut object = json!({
        "apiVersion": "wicketgate.dev/v1alpha1",
        "kind": "RateLimit",
        "metadata": {"namespace": namespace, "name": name, "creationTimestamp": created},
        "spec": {"clusterRef": {"name": "main", "namespace": "edge"}, "limit": 5, "duration": "1m"},
    });
    for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
        object["spec"][name] = value;
    }
    serde_json::from_value(object).unwrap()
}

fn policy(name: &str, port: i32) -> BackpressurePolicy {
    let spec = json!({
        "clusterRef": {"name": "main"},
        "listener": {"port": port},
        "upstream": {"url": "http://a"},
        "window": {"min": 1, "max": 2},
    });
    let mut policy = BackpressurePolicy::new(name, serde_json::from_value(spec).unwrap());
    policy.metadata.namespace = Some("edge".into());
    policy
}

fn outcomes(folded: &Folded) -> Vec<String> {
    folded.limits.iter().map(|(name, outcome)| format!("{name} {outcome}")).collect()
}

#[test]
fn limits_become_entries_sorted_by_their_names_in_requests() {
    let limits = [
        limit("edge/b", None, json!({})),
        limit("edge/a", None, json!({"name": "z", "behaviors": ["NoBatching", "Global"]})),
    ];
    let folded = fold(&cluster(json!({})), &limits, [], &NamespaceLabels::new()).unwrap();
    let names: Vec<_> = folded.document.rate_limits.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["b", "z"]);
    assert_eq!(folded.document.rate_limits[0].window, LimitWindow::Millis(60_000));
    assert_eq!(folded.document.rate_limits[1].source.to_string(), "edge/a");
    assert_eq!(outcomes(&folded), ["edge/b in force", "edge/a in force"]);
    folded.document.validate().unwrap();
}

#[test]
fn the_order_of_objects_does_not_matter() {
    let limits = [limit("edge/a", None, json!({})), limit("edge/b", None, json!({"name": "a"}))];
    let forward = fold(&cluster(json!({})), &limits, [], &NamespaceLabels::new()).unwrap();
    let backward = fold(&cluster(json!({})), limits.iter().rev(), [], &NamespaceLabels::new()).unwrap();
    assert_eq!(forward.document, backward.document);
}

#[test]
fn the_older_of_two_has_the_name() {
    let old = Some("2026-01-01T00:00:00Z");
    let new = Some("2026-01-02T00:00:00Z");
    for (a, b, winner) in [(old, new, 0), (new, old, 1), (None, None, 0), (None, old, 1), (old, old, 0)] {
        let limits = [limit("edge/a", a, json!({"name": "x"})), limit("edge/b", b, json!({"name": "x"}))];
        let folded = fold(&cluster(json!({})), &limits, [], &NamespaceLabels::new()).unwrap();
        assert_eq!(folded.document.rate_limits.len(), 1);
        assert!(folded.limits[winner].1.is_accepted(), "{a:?} {b:?}");
        let (_, loser) = &folded.limits[1 - winner];
        assert_eq!(loser.reason(), Reason::Conflicted);
        let message = format!(
            "the name \"x\" is already held by {}, which is older or sorts first",
            folded.limits[winner].0
        );
        assert_eq!(loser.to_string(), message);
    }
}

#[test]
fn an_object_that_is_not_admitted_claims_nothing() {
    let limits = [limit("aaa/a", None, json!({"name": "x"})), limit("edge/b", None, json!({"name": "x"}))];
    let folded = fold(&cluster(json!({})), &limits, [], &NamespaceLabels::new()).unwrap();
    assert_eq!(folded.limits[0].1.reason(), Reason::RefNotPermitted);
    assert!(folded.limits[1].1.is_accepted());
}

#[test]
fn namespaces_are_let_in_as_the_cluster_says() {
    let gold: NamespaceLabels = [("shop".to_owned(), [("tier".to_owned(), "gold".to_owned())].into())].into();
    let selector =
        json!({"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"tier": "gold"}}}});
    for (spec, labels, right) in [
        (json!({}), &gold, false),
        (json!({"allowedNamespaces": {"from": "All"}}), &NamespaceLabels::new(), true),
        (selector.clone(), &gold, true),
        (selector, &NamespaceLabels::new(), false),
    ] {
        let folded = fold(&cluster(spec.clone()), &[limit("shop/a", None, json!({}))], [], labels).unwrap();
        assert_eq!(folded.limits[0].1.is_accepted(), right, "{spec}");
    }
}

#[test]
fn a_reference_without_namespace_means_the_own() {
    let limits = [
        limit("edge/a", None, json!({"clusterRef": {"name": "main"}})),
        limit("shop/b", None, json!({"clusterRef": {"name": "main"}})),
    ];
    let folded = fold(&cluster(json!({})), &limits, [], &NamespaceLabels::new()).unwrap();
    assert_eq!(
        outcomes(&folded),
        ["edge/a in force", "shop/b spec.clusterRef names the cluster shop/main, which is not this one"]
    );
}

#[test]
fn what_the_schema_would_have_refused_is_invalid_here() {
    for (with, message) in [
        (
            json!({"duration": "500us"}),
            "spec.duration: 500us is not a whole number of milliseconds, at least 1ms",
        ),
        (json!({"duration": "0s"}), "spec.duration: 0s is not a whole number of milliseconds, at least 1ms"),
        (json!({"calendar": "Day"}), "spec: exactly one of duration and calendar must be given"),
        (
            json!({"overrides": [{"limit": 1}]}),
            "spec.overrides[0]: exactly one of key and prefix must be given",
        ),
        (
            json!({"overrides": [{"key": "a"}]}),
            "spec.overrides[0]: either limit or unlimited: true must be given",
        ),
    ] {
        let limits = [limit("edge/a", None, with), limit("edge/b", None, json!({}))];
        let folded = fold(&cluster(json!({})), &limits, [], &NamespaceLabels::new()).unwrap();
        assert_eq!(folded.limits[0].1, Outcome::Invalid { message: message.to_owned() });
        assert!(folded.limits[1].1.is_accepted(), "the others go on");
    }
}

#[test]
fn two_policies_may_not_have_one_port() {
    let policies = [policy("b", 8080), policy("a", 8080), policy("c", 8081)];
    let folded = fold(&cluster(json!({})), [], &policies, &NamespaceLabels::new()).unwrap();
    let accepted: Vec<_> = folded.policies.iter().map(|(_, outcome)| outcome.is_accepted()).collect();
    assert_eq!(accepted, [false, true, true]);
    assert_eq!(
        folded.policies[0].1.to_string(),
        "the port 8080 is already held by edge/a, which is older or sorts first"
    );
    let sources: Vec<_> =
        folded.document.backpressure_policies.iter().map(|p| p.source.name.as_str()).collect();
    assert_eq!(sources, ["a", "c"]);
    let text = folded.document.render().unwrap();
    assert_eq!(DaemonDocument::parse(&text).unwrap(), folded.document);
}

#[test]
fn a_policy_that_is_wrong_is_left_out_and_the_others_go_on() {
    let own = json!({"service": {"httpPort": 80, "grpcPort": 81}});
    for (port, taken) in [
        (1050, "spec.listener.port: 1050 is the pods' own"),
        (1052, "spec.listener.port: 1052 is the pods' own"),
        (80, "spec.listener.port: 80 is that of spec.service.httpPort of the cluster: choose another"),
        (81, "spec.listener.port: 81 is that of spec.service.grpcPort of the cluster: choose another"),
    ] {
        let policies = [policy("a", port), policy("b", 8080)];
        let folded = fold(&cluster(own.clone()), [], &policies, &NamespaceLabels::new()).unwrap();
        let (_, outcome) = &folded.policies[0];
        assert_eq!(outcome.reason(), Reason::Invalid);
        assert!(outcome.to_string().starts_with(taken), "{outcome}");
        assert!(folded.policies[1].1.is_accepted());
    }
    let mut broken = policy("a", 8080);
    broken.spec.block = serde_json::from_value(json!([{"header": "a", "pattern": "("}])).unwrap();
    let folded = fold(&cluster(own), [], [&broken], &NamespaceLabels::new()).unwrap();
    assert!(folded.policies[0].1.to_string().starts_with("spec.block[0].pattern: "));
    assert_eq!(folded.document.backpressure_policies, []);
}

#[test]
fn limits_that_nobody_declares_are_known_and_hold_up_nothing() {
    let mut asking = policy("a", 8080);
    let key = json!([{"clientAddress": true}]);
    asking.spec.rate_limits =
        serde_json::from_value(json!([{"name": "b", "key": key}, {"name": "c", "key": key}])).unwrap();
    let limits = [limit("edge/a", None, json!({})), limit("edge/b", None, json!({}))];
    let folded = fold(&cluster(json!({})), &limits, [&asking], &NamespaceLabels::new()).unwrap();
    assert!(folded.policies[0].1.is_accepted());
    assert_eq!(folded.document.undeclared(&folded.document.backpressure_policies[0]), ["c"]);
}

#[test]
fn settings_are_carried_over() {
    let spec = json!({"undeclared": "Reject", "headers": {"style": "None"}, "capacity": 5000, "timeZone": "Asia/Tokyo"});
    let document = fold(&cluster(spec), [], [], &NamespaceLabels::new()).unwrap().document;
    assert_eq!(document.cluster.to_string(), "edge/main");
    assert_eq!(document.start.capacity, 5000);
    assert_eq!(document.start.time_zone, "Asia/Tokyo");
    assert_eq!(document.live.undeclared, crate::cluster::Undeclared::Reject);
    assert_eq!(document.live.headers, crate::cluster::HeaderStyle::None);
}
