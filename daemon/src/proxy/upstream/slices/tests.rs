use serde_json::{Value, json};

use super::*;

fn service(ports: &Value) -> Service {
    serde_json::from_value(json!({ "spec": { "ports": ports, "ipFamilies": ["IPv4"] } })).unwrap()
}

fn slice(family: &str, ports: &Value, endpoints: &[(&str, Value)]) -> EndpointSlice {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(address, conditions)| json!({ "addresses": [address], "conditions": conditions }))
        .collect();
    serde_json::from_value(json!({ "addressType": family, "ports": ports, "endpoints": endpoints })).unwrap()
}

fn of(service: Option<&Service>, slices: &[EndpointSlice], port: u16) -> Result<Vec<String>, String> {
    let found = addresses("shop/api", service, slices.iter(), port)?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[test]
fn a_services_port_is_found_by_its_name_in_the_slices() {
    let service = service(&json!([{ "port": 80, "name": "http" }, { "port": 81, "name": "admin" }]));
    let ports = json!([{ "name": "admin", "port": 9001 }, { "name": "http", "port": 8080 }]);
    let slices = [
        slice("IPv4", &ports, &[("10.0.0.2", json!({ "ready": true })), ("10.0.0.1", json!({}))]),
        slice("IPv4", &json!([{ "name": "http", "port": 8081 }]), &[("10.0.0.3", json!({ "ready": true }))]),
    ];
    assert_eq!(of(Some(&service), &slices, 80).unwrap(), ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8081"]);
    assert_eq!(of(Some(&service), &slices, 81).unwrap(), ["10.0.0.1:9001", "10.0.0.2:9001"]);
    assert_eq!(
        of(Some(&service), &slices, 82).unwrap_err(),
        "the Service shop/api has no port 82; it has [80, 81]"
    );
    assert_eq!(of(None, &slices, 80).unwrap_err(), "there is no Service shop/api");
}

#[test]
fn who_is_ready_counts_and_else_who_serves() {
    let service = service(&json!([{ "port": 80 }]));
    let ports = json!([{ "name": "", "port": 8080 }]);
    let leaving = ("10.0.0.1", json!({ "ready": false, "serving": true, "terminating": true }));
    let broken = ("10.0.0.2", json!({ "ready": false, "serving": false }));
    let ready = ("10.0.0.3", json!({ "ready": true }));
    let all = |endpoints: &[(&str, Value)]| of(Some(&service), &[slice("IPv4", &ports, endpoints)], 80);
    assert_eq!(all(&[leaving.clone(), broken.clone(), ready]).unwrap(), ["10.0.0.3:8080"]);
    assert_eq!(all(&[leaving, broken.clone()]).unwrap(), ["10.0.0.1:8080"]);
    assert_eq!(all(&[broken]).unwrap_err(), "no endpoint of the Service shop/api is ready");
}

#[test]
fn a_pod_with_two_families_of_addresses_counts_once() {
    let service = service(&json!([{ "port": 80 }]));
    let ports = json!([{ "port": 8080 }]);
    let four = slice("IPv4", &ports, &[("10.0.0.1", json!({ "ready": true }))]);
    let six = slice("IPv6", &ports, &[("fd00::1", json!({ "ready": true }))]);
    assert_eq!(of(Some(&service), &[four.clone(), six.clone(), four], 80).unwrap(), ["10.0.0.1:8080"]);
    assert_eq!(of(Some(&service), &[six], 80).unwrap(), ["[fd00::1]:8080"]);
}
