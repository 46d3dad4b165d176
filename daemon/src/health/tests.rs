use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::settings::Pairs;

/// Answers one connection after another with these heads and bodies, then listens no longer.
async fn serve(answers: Vec<(&'static str, &'static str)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.expect("a request");
            assert!(head[..read].starts_with(b"GET /v1/HealthCheck HTTP/1.1"), "{head:?}");
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.expect("a reader");
        }
    });
    address
}

async fn ask_at(address: SocketAddr, retries: &str) -> Result<Healthy, HealthError> {
    let address = address.to_string();
    let environment =
        Pairs::from([("GUBER_HTTP_ADDRESS", address.as_str()), ("GUBER_HTTP_RETRY_COUNT", retries)]);
    ask(&Health { url: None }, &environment).await
}

#[tokio::test]
async fn a_healthy_node_is_healthy() {
    let at =
        serve(vec![("200 OK", r#"{"status":"healthy","message":"","peer_count":3,"local_peers":[]}"#)]).await;
    let healthy = ask_at(at, "0").await.expect("it is healthy");
    assert_eq!(healthy.to_string(), format!("http://{at}/v1/HealthCheck is healthy, peers: 3"));
}

#[tokio::test]
async fn an_unhealthy_node_gives_its_reason() {
    for (status, body) in [
        ("200 OK", r#"{"status":"unhealthy","message":"peer b:1 failed","peer_count":3}"#),
        ("503 Service Unavailable", r#"{"code":14,"message":"peer b:1 failed","details":[]}"#),
    ] {
        let at = serve(vec![(status, body)]).await;
        let error = ask_at(at, "0").await.expect_err("it is not healthy");
        assert_eq!(error.exit(), Exit::Unhealthy);
        assert!(error.to_string().ends_with("is unhealthy: peer b:1 failed"), "{error}");
    }
}

#[tokio::test]
async fn a_node_that_recovers_is_asked_again() {
    let at = serve(vec![
        ("503 Service Unavailable", r#"{"code":14,"message":"starting","details":[]}"#),
        ("200 OK", r#"{"status":"healthy","peer_count":1}"#),
    ])
    .await;
    assert!(ask_at(at, "1").await.is_ok());
}

#[tokio::test]
async fn what_is_no_node_is_not_unhealthy() {
    let at = serve(vec![("404 Not Found", "nothing here")]).await;
    let error = ask_at(at, "0").await.expect_err("no node");
    assert_eq!(error.exit(), Exit::Unavailable);
    assert!(error.to_string().contains("HTTP 404"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let free =
        TcpListener::bind("127.0.0.1:0").await.and_then(|bound| bound.local_addr()).expect("a free port");
    let error = ask_at(free, "0").await.expect_err("nobody is there");
    assert_eq!(error.exit(), Exit::Unavailable);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn urls_are_completed() {
    for (text, url) in [
        ("localhost:1050", "http://localhost:1050/v1/HealthCheck"),
        ("http://[::1]:80", "http://[::1]:80/v1/HealthCheck"),
        ("http://a:1/healthz", "http://a:1/healthz"),
    ] {
        assert_eq!(parse_url(text).expect(text).to_string(), url);
    }
    for (text, said) in [("https://a:1", "only http"), ("http://a b", "no URL")] {
        let error = parse_url(text).expect_err(text);
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(own_url(&Address::new("0.0.0.0", 9)), "http://localhost:9");
}

#[tokio::test]
async fn a_bad_setting_is_a_usage_error() {
    let environment = Pairs::from([("GUBER_HTTP_RETRY_COUNT", "often")]);
    let error = ask(&Health { url: None }, &environment).await.expect_err("a bad setting");
    assert_eq!(error.exit(), Exit::Usage);
}
