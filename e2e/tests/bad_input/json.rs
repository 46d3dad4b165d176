//! JSON bodies: broken, odd, and odd but fine.

use e2e::launch::Launch;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::still_serves;

const PATH: &str = "/v1/GetRateLimits";

#[tokio::test]
async fn bodies_that_mean_nothing_are_a_400_that_says_why() {
    let mut daemon = Launch::serve().start().await;
    let http = daemon.node().http();
    let nested = "[".repeat(200_000);
    let cases: [(&[u8], &str); 15] = [
        (b"{", ""),
        (b"[]", ""),
        (b"nothing", ""),
        (b"\"text\"", ""),
        (br#"{"requests":{}}"#, ""),
        (br#"{"requests":[1]}"#, ""),
        (br#"{"requests":[{"hits":1.5}]}"#, "hits"),
        (br#"{"requests":[{"hits":"abc"}]}"#, "hits"),
        (br#"{"requests":[{"limit":9223372036854775808}]}"#, "limit"),
        (br#"{"requests":[{"limit":"-9223372036854775809"}]}"#, "limit"),
        (br#"{"requests":[{"name":5}]}"#, "name"),
        (br#"{"requests":[{"unique_key":"a","uniqueKey":"b"}]}"#, ""),
        (br#"{"requests":[{"algorithm":"FOO"}]}"#, "LEAKY_BUCKET"),
        (br#"{"requests":[{"behavior":"GLOBAL|FOO"}]}"#, "DRAIN_OVER_LIMIT"),
        (nested.as_bytes(), ""),
    ];
    for (body, word) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let reply = http.post(PATH, body.to_vec()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{shown}: {}", reply.text());
        let error = reply.json();
        assert_eq!((&error["code"], &error["details"]), (&json!(3), &json!([])), "{shown}: {error}");
        let message = error["message"].as_str().expect("a message");
        assert!(!message.is_empty() && message.contains(word), "{shown}: {message} lacks {word}");
    }
    let reply = http.post(PATH, b"{\"requests\":[{\"name\":\"\xff\"}]}".to_vec()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "text that is not UTF-8: {}", reply.text());
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn what_is_odd_but_clear_is_answered() {
    let mut daemon = Launch::serve().start().await;
    let http = daemon.node().http();
    let item = |fields: &str| {
        format!(r#"{{"requests":[{{"name":"odd","duration":"60000","limit":10,"hits":1,{fields}}}]}}"#)
    };
    let cases = [
        (item(r#""unique_key":"a","unknown":{"x":[1,2,{}]}"#), "9"),
        (item(r#""uniqueKey":"b","algorithm":"LEAKY_BUCKET""#), "9"),
        (item(r#""uniqueKey":"c","algorithm":"1","burst":20"#), "19"),
        (item(r#""uniqueKey":"d","behavior":"GLOBAL|DRAIN_OVER_LIMIT""#), "9"),
        (
            item(r#""uniqueKey":"e","behavior":"36","duration":0"#).replacen(r#""duration":"60000","#, "", 1),
            "9",
        ),
        (item(r#""uniqueKey":"f","metadata":{"k":"v"},"created_at":null"#), "9"),
        (item(r#""uniqueKey":"g""#) + " and what follows is ignored", "9"),
        (item(r#""uniqueKey":"h","behavior":"NO_BATCHING""#), "9"),
    ];
    for (body, remaining) in cases {
        let reply = http.post(PATH, body.clone()).await;
        assert_eq!(reply.status, StatusCode::OK, "{body}: {}", reply.text());
        let item: &Value = &reply.json()["responses"][0];
        assert_eq!((&item["error"], &item["remaining"]), (&json!(""), &json!(remaining)), "{body}: {item}");
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn a_wrong_method_is_501_and_a_wrong_path_404() {
    let mut daemon = Launch::serve().start().await;
    let http = daemon.node().http();
    let wrong = [
        (Method::GET, PATH),
        (Method::PUT, PATH),
        (Method::DELETE, PATH),
        (Method::POST, "/v1/HealthCheck"),
        (Method::DELETE, "/v1/LiveCheck"),
    ];
    for (method, path) in wrong {
        let reply = http.send(method.clone(), path, bytes::Bytes::new()).await;
        assert_eq!(reply.status, StatusCode::NOT_IMPLEMENTED, "{method} {path}");
        assert_eq!(reply.json(), json!({"code": 12, "message": "Method Not Allowed", "details": []}));
    }
    let hidden = "/v1/GetPeerRateLimits";
    for path in
        ["/v1", "/v1/", "/v1/GetRateLimits/", "/v2/GetRateLimits", hidden, "/pb.gubernator.V1/LiveCheck"]
    {
        let reply = http.post(path, "{}").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(reply.json(), json!({"code": 5, "message": "Not Found", "details": []}), "{path}");
    }
    still_serves(&mut daemon).await;
}
