use std::future::pending;

use futures_util::stream;
use http::Request as HttpRequest;
use proto::gubernator::{GetRateLimitsReq, RateLimitReq, RateLimitResp};
use tower::ServiceExt;

use super::*;

/// Echoes hits as remaining. Each name that begins with `!` asks for a misfortune.
#[derive(Clone, Default)]
struct Fake {
    down: bool,
}

impl Front for Fake {
    async fn get_rate_limits(&self, request: Bytes, timeout: Option<Duration>) -> Result<Bytes, Status> {
        let items = GetRateLimitsReq::decode(request).unwrap().requests;
        if items.len() > 1000 {
            return Err(Status::out_of_range("Requests.RateLimits list too large; max size is '1000'"));
        }
        match items.first().map_or("", |item: &RateLimitReq| &item.name) {
            "!slow" => pending().await,
            "!garbage" => return Ok(Bytes::from_static(b"\xff")),
            _ => {}
        }
        let answer = |item: RateLimitReq| RateLimitResp {
            limit: item.limit,
            remaining: item.hits,
            reset_time: timeout.map_or(0, |left| i64::try_from(left.as_millis()).unwrap()),
            ..RateLimitResp::default()
        };
        Ok(GetRateLimitsResp { responses: items.into_iter().map(answer).collect() }.encode_to_vec().into())
    }

    fn health_check(&self) -> Result<HealthCheckResp, Status> {
        if self.down {
            return Err(Status::unavailable("this instance is not found in the peer list"));
        }
        Ok(HealthCheckResp { status: "healthy".into(), peer_count: 1, ..HealthCheckResp::default() })
    }

    fn live_check(&self) -> Result<(), Status> {
        if self.down { Err(Status::unavailable("server is shutting down")) } else { Ok(()) }
    }

    fn ready(&self) -> Result<(), String> {
        if self.down { Err("draining".into()) } else { Ok(()) }
    }

    fn metrics(&self) -> String {
        "up 1\n".into()
    }
}

type Reply = (u16, HeaderMap, String);

async fn send(front: Fake, request: HttpRequest<Body>) -> Reply {
    let response = router(front).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> HttpRequest<Body> {
    let builder = HttpRequest::builder().method(method).uri(path);
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(body.into()).unwrap()
}

async fn post(body: impl Into<Body>) -> Reply {
    send(Fake::default(), request("POST", "/v1/GetRateLimits", &[], body)).await
}

async fn ask(method: &str, path: &str) -> Reply {
    send(Fake::default(), request(method, path, &[], Body::empty())).await
}

fn failure(code: u8, message: &str) -> String {
    format!(r#"{{"code":{code},"message":"{message}","details":[]}}"#)
}

#[tokio::test]
async fn rate_limits() {
    let body = r#"{"requests":[{"name":"n","uniqueKey":"k","hits":"1","limit":"10","duration":"1000"}]}"#;
    let (status, headers, text) = post(body).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["grpc-metadata-content-type"], "application/grpc");
    assert_eq!(
        text,
        concat!(
            r#"{"responses":[{"status":"UNDER_LIMIT","limit":"10","remaining":"1","reset_time":"0","#,
            r#""error":"","metadata":{}}]}"#
        )
    );
    assert_eq!(post("").await.2, r#"{"responses":[]}"#);
}

#[tokio::test]
async fn content_type_does_not_matter() {
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/grpc"] {
        let headers = [("content-type", kind), ("accept", "image/png")];
        let (status, headers, text) =
            send(Fake::default(), request("POST", "/v1/GetRateLimits", &headers, "{}")).await;
        assert_eq!((status, text.as_str()), (200, r#"{"responses":[]}"#));
        assert_eq!(headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn bad_json_is_400_and_code_3() {
    let (status, headers, text) = post(r#"{"requests":[{"hits":1.5}]}"#).await;
    assert_eq!(status, 400);
    assert_eq!(headers["content-type"], "application/json");
    assert!(!headers.contains_key("grpc-metadata-content-type"));
    assert!(
        text.starts_with(r#"{"code":3,"message":"cannot parse the request body: requests[0].hits: 1.5"#),
        "{text}"
    );
    assert!(text.ends_with(r#","details":[]}"#), "{text}");
}

#[tokio::test]
async fn too_many_items_is_400_and_code_11() {
    let (status, _, text) = post(format!(r#"{{"requests":[{}{{}}]}}"#, "{},".repeat(1000))).await;
    let message = "Requests.RateLimits list too large; max size is '1000'";
    assert_eq!((status, text), (400, failure(11, message)));
    assert_eq!(post(format!(r#"{{"requests":[{}{{}}]}}"#, "{},".repeat(999))).await.0, 200);
}

#[tokio::test]
async fn too_long_is_429_and_code_8() {
    let with_key = |length: usize| format!(r#"{{"requests":[{{"unique_key":"{}"}}]}}"#, "k".repeat(length));
    let too_long = |length: usize| {
        (429, failure(8, &format!("grpc: received message larger than max ({length} vs. 1048576)")))
    };
    // The key takes four bytes of tag and length, the item as many.
    let (status, _, text) = post(with_key(LONGEST_MESSAGE)).await;
    assert_eq!((status, text), too_long(LONGEST_MESSAGE + 8));
    assert_eq!(post(with_key(LONGEST_MESSAGE - 8)).await.0, 200);
    // Long in JSON, short on the wire.
    assert_eq!(post(format!("{}{{}}", " ".repeat(2 * LONGEST_MESSAGE))).await.0, 200);

    let (status, _, text) = post(" ".repeat(LONGEST_BODY + 7)).await;
    assert_eq!((status, text), too_long(LONGEST_BODY + 7));
    let chunks = (0..5).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; LONGEST_MESSAGE])));
    let (status, _, text) = post(Body::from_stream(stream::iter(chunks))).await;
    assert_eq!((status, text), too_long(LONGEST_BODY + 1));
}

#[tokio::test]
async fn a_body_that_breaks_off() {
    let chunks = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))];
    let (status, _, text) = post(Body::from_stream(stream::iter(chunks))).await;
    assert_eq!((status, text), (400, failure(3, "cannot read the request body: gone")));
}

#[tokio::test]
async fn paths_match_to_the_letter() {
    for path in [
        "/",
        "/v1",
        "/v1/GetRateLimits/",
        "/v1/getratelimits",
        "/v1/HealthCheck/",
        "//v1/HealthCheck",
        "/metrics/",
        "/pb.gubernator.V1/GetRateLimits",
        "/pb.gubernator.PeersV1/GetPeerRateLimits",
    ] {
        for method in ["GET", "POST", "HEAD"] {
            let (status, headers, text) = ask(method, path).await;
            assert_eq!(status, 404, "{method} {path}");
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(text, if method == "HEAD" { String::new() } else { failure(5, "Not Found") });
        }
    }
}

#[tokio::test]
async fn wrong_methods_are_501() {
    for (methods, path) in [
        (["GET", "HEAD", "PUT", "OPTIONS"], "/v1/GetRateLimits"),
        (["POST", "HEAD", "DELETE", "OPTIONS"], "/v1/HealthCheck"),
        (["POST", "HEAD", "PATCH", "TRACE"], "/v1/LiveCheck"),
    ] {
        for method in methods {
            let (status, _, text) = ask(method, path).await;
            assert_eq!(status, 501, "{method} {path}");
            if method != "HEAD" {
                assert_eq!(text, failure(12, "Method Not Allowed"));
            }
        }
    }
}

#[tokio::test]
async fn a_form_may_be_posted_to_a_get_route() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for path in ["/v1/HealthCheck", "/v1/LiveCheck"] {
        assert_eq!(send(Fake::default(), request("POST", path, &form, "a=b")).await.0, 200);
        assert_eq!(send(Fake::default(), request("PUT", path, &form, "a=b")).await.0, 501);
    }
}

#[tokio::test]
async fn health_and_life() {
    let (status, headers, text) = ask("GET", "/v1/HealthCheck?x=1").await;
    assert_eq!(status, 200);
    assert_eq!(headers["grpc-metadata-content-type"], "application/grpc");
    assert!(text.starts_with(r#"{"status":"healthy","message":"","peer_count":1,"#), "{text}");
    assert_eq!(ask("GET", "/v1/LiveCheck").await.2, "{}");

    let down = |path: &str| send(Fake { down: true }, request("GET", path, &[], Body::empty()));
    let (status, _, text) = down("/v1/HealthCheck").await;
    assert_eq!((status, text), (503, failure(14, "this instance is not found in the peer list")));
    let (status, _, text) = down("/v1/LiveCheck").await;
    assert_eq!((status, text), (503, failure(14, "server is shutting down")));
}

#[tokio::test]
async fn probes_and_metrics() {
    for (path, expected) in [("/livez", "ok\n"), ("/readyz", "ok\n"), ("/metrics", "up 1\n")] {
        let (status, _, text) = ask("GET", path).await;
        assert_eq!((status, text.as_str()), (200, expected));
        let (status, _, text) = ask("HEAD", path).await;
        assert_eq!((status, text.as_str()), (200, ""));
    }
    assert_eq!(ask("GET", "/metrics").await.1["content-type"], "text/plain; version=0.0.4; charset=utf-8");

    let down = |path: &str| send(Fake { down: true }, request("GET", path, &[], Body::empty()));
    let (status, _, text) = down("/readyz").await;
    assert_eq!((status, text.as_str()), (503, "not ready: draining\n"));
    assert_eq!(down("/livez").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_deadline() {
    let with = |timeout: &str, body: &'static str| {
        send(Fake::default(), request("POST", "/v1/GetRateLimits", &[("Grpc-Timeout", timeout)], body))
    };
    let (status, _, text) = with("1S", r#"{"requests":[{"name":"!slow"}]}"#).await;
    assert_eq!((status, text), (504, failure(4, "context deadline exceeded")));
    let (status, _, text) = with("1S", r#"{"requests":[{}]}"#).await;
    assert_eq!(status, 200);
    assert!(text.contains(r#""reset_time":"1000""#), "{text}");
    assert_eq!(with("0S", "{}").await.0, 200);
    assert_eq!(with("18446744073709551615H", "{}").await.0, 200);

    let (status, _, text) = with("1s", "{}").await;
    assert_eq!(status, 400);
    assert!(text.starts_with(r#"{"code":3,"message":"invalid grpc-timeout: 1s; give digits"#), "{text}");
}

#[tokio::test]
async fn a_deadline_that_has_passed_takes_no_hits() {
    let headers = [("Grpc-Timeout", "1n")];
    let body = r#"{"requests":[{"name":"!slow"}]}"#;
    assert_eq!(send(Fake::default(), request("POST", "/v1/GetRateLimits", &headers, body)).await.0, 504);
    assert_eq!(send(Fake::default(), request("GET", "/v1/HealthCheck", &headers, "")).await.0, 504);
}

#[tokio::test]
async fn an_answer_that_is_none() {
    let (status, _, text) = post(r#"{"requests":[{"name":"!garbage"}]}"#).await;
    assert_eq!(status, 500);
    assert!(text.starts_with(r#"{"code":13,"message":"cannot decode the answer: "#), "{text}");
}
