//! Health, and the JSON gateway.

use http::StatusCode;
use serde_json::json;

use crate::rings::Ring;

#[tokio::test]
async fn every_node_is_healthy_and_knows_all_six() {
    let ring = Ring::of(6).await;
    let mut told = Vec::new();
    for client in &ring.clients {
        let health = client.health().await.expect("a healthy node");
        assert_eq!((health.status.as_str(), health.message.as_str()), ("healthy", ""));
        assert_eq!(health.peer_count, 6);
        assert!(health.region_peers.is_empty());
        let peers: Vec<_> = health.local_peers.iter().map(|peer| peer.grpc_address.clone()).collect();
        assert_eq!(peers.len(), 6);
        assert!(peers.contains(&health.advertise_address), "{health:?} does not name itself");
        client.live().await.expect("a living node");
        told.push(health.advertise_address);
    }
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 6, "each node has an address of its own: {told:?}");
}

#[tokio::test]
async fn the_gateway_speaks_json_with_the_wire_s_names() {
    let ring = Ring::of(6).await;
    let http = ring.daemon.node().http();
    let reply = http.get("/v1/HealthCheck").await;
    assert_eq!(reply.status, StatusCode::OK);
    let health = reply.json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["peer_count"], 6, "a 32-bit integer is a number");
    assert_eq!(health["local_peers"].as_array().map(Vec::len), Some(6));
    assert_eq!(health["region_peers"], json!([]), "an empty list is written too");
    assert!(health["advertise_address"].is_string());
    assert!(health["local_peers"][0]["grpc_address"].is_string(), "{health}");
    assert_eq!(health["local_peers"][0]["data_center"], "");

    let live = http.get("/v1/LiveCheck").await;
    assert_eq!((live.status, live.json()), (StatusCode::OK, json!({})));

    let request = json!({"requests": [{
        "name": "requests_per_sec", "uniqueKey": "account:12345", "duration": "1000", "hits": "1", "limit": "10"
    }]});
    let reply = http.post("/v1/GetRateLimits", request.to_string()).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.headers["grpc-metadata-content-type"], "application/grpc");
    let responses = reply.json();
    let item = &responses["responses"][0];
    assert_eq!(item["status"], "UNDER_LIMIT");
    assert_eq!((&item["limit"], &item["remaining"]), (&json!("10"), &json!("9")), "64 bits are strings");
    assert_eq!(item["error"], "");
    assert!(item["metadata"].is_object());
}

#[tokio::test]
async fn the_gateway_s_errors_are_the_original_s() {
    let ring = Ring::of(1).await;
    let http = ring.daemon.node().http();
    let many = json!({"requests": vec![json!({"name": "n", "uniqueKey": "k"}); 1001]});
    let too_many = "Requests.RateLimits list too large; max size is '1000'";
    let cases = [
        (http.post("/v1/GetRateLimits", many.to_string()).await, 400, 11, Some(too_many)),
        (http.get("/v1/Nothing").await, 404, 5, Some("Not Found")),
        (http.get("/v1/HealthCheck/").await, 404, 5, Some("Not Found")),
        (http.get("/v1/GetRateLimits").await, 501, 12, Some("Method Not Allowed")),
        (http.post("/v1/GetRateLimits", "{").await, 400, 3, None),
        (http.post("/v1/GetRateLimits", r#"{"requests":[{"hits":1.5}]}"#).await, 400, 3, None),
        (http.post("/v1/GetRateLimits", r#"{"requests":[{"hits":"abc"}]}"#).await, 400, 3, None),
    ];
    for (number, (reply, status, code, message)) in cases.into_iter().enumerate() {
        assert_eq!(reply.status.as_u16(), status, "case {number}: {}", reply.text());
        let body = reply.json();
        assert_eq!(body["code"], code, "case {number}: {body}");
        assert_eq!(body["details"], json!([]), "case {number}");
        match message {
            Some(message) => assert_eq!(body["message"], message, "case {number}"),
            None => assert_ne!(body["message"], "", "case {number} says what is wrong"),
        }
    }
    let empty = http.post("/v1/GetRateLimits", "").await;
    assert_eq!((empty.status, empty.json()), (StatusCode::OK, json!({"responses": []})));
    let query = http.get("/v1/LiveCheck?unknown=1").await;
    assert_eq!(query.status, StatusCode::OK, "an unknown query parameter is ignored");
}
