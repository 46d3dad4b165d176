//! Probes, gRPC health, reflection and metrics of a node that is well.

use e2e::clock::await_condition;
use e2e::launch::Launch;
use e2e::ports;
use http::StatusCode;
use prost::Message;
use proto::gubernator::{HealthCheckReq, HealthCheckResp};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::requests::token;

#[tokio::test]
async fn a_node_that_serves_is_ready_and_alive() {
    let daemon = Launch::serve().start().await;
    for path in ["/readyz", "/livez"] {
        let reply = daemon.node().http().get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
    }
    let client = daemon.node().client().await;
    client.live().await.expect("alive");
    let health = client.health().await.expect("healthy");
    assert_eq!((health.status.as_str(), health.peer_count), ("healthy", 1));
    assert_eq!(health.local_peers.len(), 1);
    assert_eq!(health.local_peers[0].grpc_address, health.advertise_address);
    let raw = client.raw("/pb.gubernator.V1/HealthCheck", HealthCheckReq {}.encode_to_vec().into()).await;
    assert_eq!(HealthCheckResp::decode(raw.unwrap()).unwrap(), health);
}

#[tokio::test]
async fn a_node_that_its_ring_does_not_list_is_alive_and_not_ready() {
    let [own, listener, other] = ports::free();
    let daemon = Launch::serve()
        .env("GUBER_GRPC_ADDRESS", own.to_string())
        .env("GUBER_ADVERTISE_ADDRESS", own.to_string())
        .env("WICKETGATE_PEER_ADDRESS", listener.to_string())
        .env("WICKETGATE_PEERS", other.to_string())
        .start()
        .await;
    let http = daemon.node().http();
    let ready = http.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().contains("not in the peer list"), "{}", ready.text());
    assert_eq!(http.get("/livez").await.status, StatusCode::OK);
    let status = daemon.node().client().await.health().await.expect_err("not a member");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(status.message().contains("peer list"), "{status}");
    let json = http.get("/v1/HealthCheck").await;
    assert_eq!(json.status, StatusCode::SERVICE_UNAVAILABLE, "{}", json.text());
}

#[tokio::test]
async fn grpc_health_answers_for_the_server_and_for_v1() {
    let daemon = Launch::serve().start().await;
    let mut health = HealthClient::new(e2e::grpc::channel(daemon.node().grpc).await);
    for service in ["", "pb.gubernator.V1"] {
        let reply = health.check(HealthCheckRequest { service: service.into() }).await;
        assert_eq!(reply.expect("an answer").into_inner().status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = health.check(HealthCheckRequest { service: "nothing".into() }).await.expect_err("unknown");
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn reflection_lists_the_services_and_describes_them() {
    let daemon = Launch::serve().start().await;
    let mut reflection = ServerReflectionClient::new(e2e::grpc::channel(daemon.node().grpc).await);
    let mut ask = async |request| {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let stream = reflection.server_reflection_info(tokio_stream::once(request)).await.expect("a stream");
        let reply = stream.into_inner().message().await.expect("a message").expect("one message");
        reply.message_response.expect("a response")
    };
    let MessageResponse::ListServicesResponse(list) = ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("a list of services");
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["pb.gubernator.V1", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let symbol = MessageRequest::FileContainingSymbol("pb.gubernator.V1".into());
    let MessageResponse::FileDescriptorResponse(files) = ask(symbol).await else {
        panic!("the file of V1");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}

#[tokio::test]
async fn metrics_count_under_the_original_s_names() {
    let daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    for hits in [1, 5, 5] {
        client.hit_one(token("metrics", hits, 3, 60_000)).await;
    }
    let http = daemon.node().http();
    for (series, least) in [
        (r#"gubernator_getratelimit_counter{calltype="local"}"#, 3.0),
        ("gubernator_over_limit_counter", 2.0),
        ("gubernator_cache_size", 1.0),
        (r#"gubernator_cache_access_count{type="hit"}"#, 2.0),
        (r#"gubernator_cache_access_count{type="miss"}"#, 1.0),
    ] {
        await_condition(series, async || http.metric(series).await == Some(least)).await;
    }
    let counts =
        r#"gubernator_grpc_request_counts{method="/pb.gubernator.V1/GetRateLimits",status="success"}"#;
    await_condition(counts, async || http.metric(counts).await == Some(3.0)).await;
    let took = r#"gubernator_grpc_request_duration_count{method="/pb.gubernator.V1/GetRateLimits"}"#;
    await_condition(took, async || http.metric(took).await == Some(3.0)).await;
}
