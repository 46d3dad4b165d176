use prost::Message;
use proto::gubernator::{
    GetRateLimitsReq, GetRateLimitsResp, HealthCheckResp, LiveCheckResp, PeerHealthResp, RateLimitReq,
    RateLimitResp,
};

use super::{ParseError, parse_request, render_error, render_health, render_live, render_rate_limits};

fn parse(body: &str) -> Vec<RateLimitReq> {
    let wire = parse_request(body.as_bytes()).unwrap();
    GetRateLimitsReq::decode(wire).unwrap().requests
}

/// The one item whose fields are `fields`.
fn item(fields: &str) -> RateLimitReq {
    let mut items = parse(&format!(r#"{{"requests":[{{{fields}}}]}}"#));
    assert_eq!(items.len(), 1);
    items.remove(0)
}

fn refusal(body: &str) -> String {
    parse_request(body.as_bytes()).unwrap_err().to_string()
}

#[track_caller]
fn refuses(fields: &str, reason: &str) {
    let text = refusal(&format!(r#"{{"requests":[{{}},{{{fields}}}]}}"#));
    assert!(text.contains(reason), "{fields}: {text}");
}

#[test]
fn every_field_in_either_case() {
    let expected = RateLimitReq {
        name: "n".into(),
        unique_key: "k".into(),
        hits: 1,
        limit: 10,
        duration: 1000,
        algorithm: 1,
        behavior: 34,
        burst: -5,
        metadata: [("a".into(), "b".into()), ("c".into(), String::new())].into(),
        created_at: Some(1_795_398_707_509),
    };
    let snake = r#""name":"n","unique_key":"k","hits":1,"limit":"10","duration":1e3,"algorithm":"LEAKY_BUCKET",
        "behavior":"GLOBAL|DRAIN_OVER_LIMIT","burst":-5,"metadata":{"c":"","a":"b"},"created_at":"1795398707509""#;
    let camel = r#""createdAt":1795398707509,"metadata":{"a":"b","c":""},"burst":"-5.0","behavior":34,
        "algorithm":1,"duration":"1000","limit":10,"hits":"\u0031","uniqueKey":"k","name":"\u006e""#;
    assert_eq!(item(snake), expected);
    assert_eq!(item(camel), expected);
}

#[test]
fn items_keep_their_order() {
    let names: Vec<_> = (0..1001).map(|i| format!(r#"{{"name":"{i}"}}"#)).collect();
    let items = parse(&format!(r#"{{"requests":[{}]}}"#, names.join(",")));
    assert_eq!(items.len(), 1001);
    assert!(items.iter().enumerate().all(|(i, item)| item.name == i.to_string()));
}

#[test]
fn blank_and_empty_bodies_are_empty_requests() {
    for body in ["", " \n", "{}", r#"{"requests":null}"#, r#"{"requests":[]}"#] {
        assert_eq!(parse(body), [], "{body:?}");
    }
    assert_eq!(parse(r#"{"requests":[{}]}"#), [RateLimitReq::default()]);
}

#[test]
fn null_is_the_default() {
    let fields = r#""name":null,"unique_key":null,"hits":null,"limit":null,"duration":null,"algorithm":null,
        "behavior":null,"burst":null,"metadata":null,"created_at":null"#;
    assert_eq!(item(fields), RateLimitReq::default());
    assert_eq!(item(r#""created_at":0"#).created_at, Some(0));
}

#[test]
fn unknown_fields_and_what_follows_are_ignored() {
    assert_eq!(item(r#""nom":{"a":[1,{}]},"name":"n","x":1.5,"nom":2"#).name, "n");
    assert_eq!(parse(r#"{"x":[],"requests":[{}],"y":null} and so on }"#).len(), 1);
    let deep = format!(r#"{{"x":{}1{},"requests":[{{}}]}}"#, "[".repeat(400_000), "]".repeat(400_000));
    assert_eq!(parse(&deep).len(), 1);
}

#[test]
fn a_field_twice() {
    refuses(r#""hits":1,"hits":1"#, "requests[1].hits: duplicate field");
    refuses(r#""hits":null,"hits":1"#, "requests[1].hits: duplicate field");
    refuses(r#""uniqueKey":"a","unique_key":"b""#, "requests[1].unique_key: duplicate field");
    refuses(r#""metadata":{"a":"1","a":"1"}"#, "requests[1].metadata: duplicate key");
    let text = refusal(r#"{"requests":[],"requests":[]}"#);
    assert!(text.contains("requests: duplicate field"), "{text}");
}

#[test]
fn integers_that_are_none() {
    refuses(r#""hits":1.5"#, "requests[1].hits: 1.5 is not a whole number");
    refuses(r#""limit":"abc""#, r#"requests[1].limit: "abc" is not a number"#);
    refuses(r#""limit":"""#, "is not a number");
    refuses(r#""limit":"\u0031x""#, "is not a number");
    refuses(r#""limit":" 1""#, "is not a number");
    refuses(r#""duration":true"#, "requests[1].duration: true is not a number");
    refuses(r#""burst":{"a":1}"#, r#"requests[1].burst: {"a":1} is not a number"#);
    refuses(r#""created_at":[]"#, "requests[1].created_at: [] is not a number");
    refuses(r#""hits":9223372036854775808"#, "requests[1].hits: 9223372036854775808 is out of range");
    refuses(r#""hits":"-9223372036854775809""#, "is out of range; give a number from -9223372036854775808");
    refuses(r#""hits":1e400"#, "is out of range");
}

#[test]
fn enums_that_are_none() {
    refuses(
        r#""algorithm":"FOO""#,
        r#"requests[1].algorithm: "FOO" is not one of TOKEN_BUCKET, LEAKY_BUCKET"#,
    );
    refuses(r#""algorithm":1.5"#, "requests[1].algorithm: 1.5 is not a whole number");
    refuses(r#""behavior":"GLOBAL|""#, "DRAIN_OVER_LIMIT joined by |");
    refuses(r#""behavior":[]"#, "requests[1].behavior: [] is not made of BATCHING");
    refuses(r#""behavior":2147483648"#, "is out of range; give a number from -2147483648 to 2147483647");
    assert_eq!(item(r#""behavior":"36""#).behavior, 36);
    assert_eq!(item(r#""behavior":-1,"algorithm":7"#).behavior, -1);
}

#[test]
fn other_wrong_types() {
    refuses(r#""name":5"#, "expected a string for requests[1].name");
    refuses(r#""metadata":[]"#, "expected an object of strings for requests[1].metadata");
    refuses(r#""metadata":{"a":1}"#, "expected a string for requests[1].metadata");
    refuses(r#""metadata":{"a":null}"#, "expected a string for requests[1].metadata");
    for (body, reason) in [
        ("null", "expected an object with the list `requests`"),
        ("[]", "expected an object with the list `requests`"),
        (r#"{"requests":{}}"#, "expected a list for requests"),
        (r#"{"requests":[{},null]}"#, "expected an object for requests[1]"),
    ] {
        let text = refusal(body);
        assert!(text.contains(reason), "{body}: {text}");
    }
}

#[test]
fn broken_json_names_the_place() {
    for (body, place) in [
        ("{", "(line 1, column 1)"),
        ("{\n\"requests\":[}", "(line 2, column 13)"),
        (r#"{"requests":[{"hits":01}]}"#, "(line 1, column 23)"),
        (r#"{"requests":[{"hits":1,}]}"#, "(line 1, column 24)"),
        (r#"{"requests":[{"name":"\ud800"}]}"#, "(line 1, column 29)"),
        ("{\"requests\":[{\"name\":\"a\nb\"}]}", "(line 2, column 0)"),
    ] {
        let text = refusal(body);
        assert!(text.contains(place), "{body}: {text}");
    }
}

#[test]
fn bytes_that_are_no_utf8() {
    let broken = |body: &[u8]| parse_request(body).unwrap_err();
    assert_eq!(broken(b"{\"requests\":[{\"name\":\"\xff\"}]}"), ParseError::NotUtf8 { at: 22 });
    assert_eq!(broken(b"{\"x\":\"\xc3\"}"), ParseError::NotUtf8 { at: 6 });
    assert_eq!(broken(b" \xff"), ParseError::NotUtf8 { at: 1 });
    assert_eq!(broken(b"\xff"), ParseError::NotUtf8 { at: 0 });
    assert_eq!(parse_request(b"{} \xff"), Ok(bytes::Bytes::new()));
}

#[test]
fn no_prefix_of_a_body_panics_and_no_message_is_long() {
    let long = "k".repeat(1 << 20);
    let body = format!(r#"{{"requests":[{{"hits":"{long}","metadata":"{long}"}}]}}"#);
    assert!(refusal(&body).len() < 600);
    assert!(refusal(&body.replace("hits", "x")).len() < 600);

    let body =
        r#"{"requests":[{"name":"\u00e9","hits":-1.0e1,"metadata":{"a":"b"},"behavior":"2","x":[{}]}]}"#;
    for end in 1..body.len() {
        assert!(parse_request(&body.as_bytes()[..end]).is_err());
    }
}

#[test]
fn answers_carry_every_field() {
    let metadata = [("owner".to_owned(), "10.0.0.1:1051".to_owned())].into();
    let over = RateLimitResp {
        status: 1,
        limit: i64::MAX,
        remaining: -1,
        reset_time: 5,
        metadata,
        ..Default::default()
    };
    let bad = RateLimitResp { status: 7, error: "a \"b\" <c>\n".into(), ..Default::default() };
    let text = render_rate_limits(&GetRateLimitsResp { responses: vec![over, bad] });
    assert_eq!(
        text,
        concat!(
            r#"{"responses":[{"status":"OVER_LIMIT","limit":"9223372036854775807","remaining":"-1","reset_time":"5","#,
            r#""error":"","metadata":{"owner":"10.0.0.1:1051"}},"#,
            r#"{"status":7,"limit":"0","remaining":"0","reset_time":"0","error":"a \"b\" <c>\n","metadata":{}}]}"#
        )
    );
    assert_eq!(render_rate_limits(&GetRateLimitsResp::default()), r#"{"responses":[]}"#);
}

#[test]
fn health_live_and_failure() {
    let health = HealthCheckResp {
        status: "healthy".into(),
        peer_count: 1,
        advertise_address: "127.0.0.1:21051".into(),
        local_peers: vec![PeerHealthResp { grpc_address: "127.0.0.1:21051".into(), ..Default::default() }],
        ..Default::default()
    };
    assert_eq!(
        render_health(&health),
        concat!(
            r#"{"status":"healthy","message":"","peer_count":1,"advertise_address":"127.0.0.1:21051","#,
            r#""local_peers":[{"grpc_address":"127.0.0.1:21051","data_center":""}],"region_peers":[]}"#
        )
    );
    assert_eq!(render_live(LiveCheckResp {}), "{}");
    assert_eq!(render_error(5, "Not Found"), r#"{"code":5,"message":"Not Found","details":[]}"#);
}
