use serde_json::{Value, json};

use super::*;

const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

fn slice(family: &str, endpoints: &Value) -> EndpointSlice {
    // The port is not what is dialled, whatever it is.
    let slice = json!({
        "metadata": { "name": "main-peers-x" }, "addressType": family,
        "ports": [{ "name": "peers", "port": 9 }], "endpoints": endpoints,
    });
    serde_json::from_value(slice).unwrap()
}

fn endpoint(address: &str, conditions: &Value) -> Value {
    json!({ "addresses": [address], "conditions": conditions })
}

fn found(slices: &[EndpointSlice], own: IpAddr) -> Vec<String> {
    of_slices(slices, own).iter().map(ToString::to_string).collect()
}

fn one(conditions: &Value) -> usize {
    found(&[slice("IPv4", &json!([endpoint("10.0.0.2", conditions)]))], OWN).len()
}

#[test]
fn an_endpoint_counts_that_serves_and_does_not_leave() {
    for (conditions, counts) in [
        (json!({ "ready": true, "serving": true, "terminating": false }), 1),
        // As a Service says that publishes addresses which are not ready.
        (json!({ "ready": true, "serving": false, "terminating": false }), 0),
        (json!({ "ready": false, "serving": true, "terminating": false }), 1),
        (json!({ "ready": false, "serving": false, "terminating": false }), 0),
        (json!({ "ready": false, "serving": true, "terminating": true }), 0),
        (json!({ "ready": true, "serving": true, "terminating": true }), 0),
        // Older servers say nothing of serving.
        (json!({ "ready": true }), 1),
        (json!({ "ready": false }), 0),
        // What is not said is true.
        (json!({}), 1),
        (json!({ "terminating": true }), 0),
    ] {
        assert_eq!(one(&conditions), counts, "{conditions}");
    }
    let bare = slice("IPv4", &json!([{ "addresses": ["10.0.0.2"] }]));
    assert_eq!(found(&[bare], OWN), ["10.0.0.2"]);
}

#[test]
fn a_node_is_on_its_own_ring_only_where_it_is_listed() {
    let ready = json!({ "serving": true });
    let others = slice("IPv4", &json!([endpoint("10.0.0.2", &ready), endpoint("10.0.0.3", &ready)]));
    assert_eq!(found(&[others], OWN), ["10.0.0.2", "10.0.0.3"]);
    let not_ready = slice("IPv4", &json!([endpoint("10.0.0.1", &json!({ "serving": false }))]));
    assert!(found(&[not_ready], OWN).is_empty());
}

#[test]
fn several_slices_are_one_list_and_doubles_count_once() {
    let ready = json!({ "serving": true });
    let slices = [
        slice("IPv4", &json!([endpoint("10.0.0.3", &ready), endpoint("10.0.0.1", &ready)])),
        slice("IPv4", &json!([endpoint("10.0.0.1", &ready), endpoint("10.0.0.2", &ready)])),
        slice("IPv4", &Value::Null),
    ];
    assert_eq!(found(&slices, OWN), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    let reversed: Vec<_> = slices.into_iter().rev().collect();
    assert_eq!(found(&reversed, OWN), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
}

#[test]
fn an_endpoint_that_moves_between_slices_is_never_lost() {
    // For a moment it is in both, in one of them as it was.
    let old = endpoint("10.0.0.2", &json!({ "serving": false }));
    let new = endpoint("10.0.0.2", &json!({ "serving": true }));
    let slices = [slice("IPv4", &json!([old])), slice("IPv4", &json!([new]))];
    assert_eq!(found(&slices, OWN), ["10.0.0.2"]);
}

#[test]
fn the_first_address_counts_and_what_is_none_does_not() {
    let endpoints = json!([
        { "addresses": ["10.0.0.2", "10.0.0.9"] },
        { "addresses": [] },
        { "addresses": ["somewhere.example"] },
    ]);
    assert_eq!(found(&[slice("FQDN", &endpoints)], OWN), ["10.0.0.2"]);
}

#[test]
fn a_cluster_of_the_newer_family_is_found_in_one_spelling() {
    let endpoints = json!([{ "addresses": ["fd00:0:0::1"] }, { "addresses": ["FD00::2"] }]);
    let own = "fd00::1".parse().unwrap();
    assert_eq!(found(&[slice("IPv6", &endpoints)], own), ["fd00::1", "fd00::2"]);
}

#[test]
fn a_pod_with_an_address_of_each_family_is_one_node() {
    let pod = |uid: &str, address: &str| {
        let target = json!({ "kind": "Pod", "uid": uid, "name": uid });
        json!({ "addresses": [address], "targetRef": target })
    };
    let four = slice("IPv4", &json!([pod("a", "10.0.0.1"), pod("b", "10.0.0.2")]));
    let six = slice("IPv6", &json!([pod("a", "fd00::1"), pod("b", "fd00::2"), pod("c", "fd00::3")]));
    for slices in [[four.clone(), six.clone()], [six, four]] {
        assert_eq!(found(&slices, OWN), ["10.0.0.1", "10.0.0.2", "fd00::3"]);
        assert_eq!(found(&slices, "fd00::1".parse().unwrap()), ["fd00::1", "fd00::2", "fd00::3"]);
    }
}

fn pod(name: &str, ready: &str, status: &Value) -> Pod {
    let mut pod = json!({
        "metadata": { "name": name, "uid": name },
        "status": { "conditions": [{ "type": "Ready", "status": ready }] },
    });
    for (key, value) in status.as_object().unwrap() {
        pod["status"][key] = value.clone();
    }
    serde_json::from_value(pod).unwrap()
}

#[test]
fn a_pod_counts_that_is_ready_has_an_address_and_does_not_leave() {
    let mut leaves = pod("leaves", "True", &json!({ "podIP": "10.0.0.9" }));
    let mut value = serde_json::to_value(&leaves).unwrap();
    value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    leaves = serde_json::from_value(value).unwrap();
    let pods = [
        pod("b", "True", &json!({ "podIP": "10.0.0.2" })),
        pod(
            "a",
            "True",
            &json!({ "podIP": "10.0.0.1", "podIPs": [{ "ip": "fd00::1" }, { "ip": "10.0.0.1" }] }),
        ),
        pod("starts", "False", &json!({ "podIP": "10.0.0.3" })),
        pod("waits", "True", &json!({})),
        serde_json::from_value(json!({ "metadata": { "name": "new" } })).unwrap(),
        leaves,
    ];
    let found: Vec<_> = of_pods(&pods, OWN).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.1", "10.0.0.2"]);
}
