//! gRPC messages: broken, too large, too long, and with values that mean nothing.

use bytes::Bytes;
use e2e::launch::Launch;
use prost::Message;
use proto::gubernator::{GetRateLimitsReq, GetRateLimitsResp, RateLimitReq, RateLimitResp};
use tonic::Code;

use super::still_serves;
use crate::requests::{Under, decision, token};
use crate::rings;

const GET_RATE_LIMITS: &str = "/pb.gubernator.V1/GetRateLimits";
const MIB: usize = 1 << 20;

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let mut cut = GetRateLimitsReq { requests: vec![token("cut", 1, 10, 1_000)] }.encode_to_vec();
    cut.pop();
    let broken: [&[u8]; 8] = [
        &[0xff],
        &[0x0a, 0x05, 0x01],
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
        // A varint of eleven bytes, as the hits of an item.
        &[0x0a, 0x0c, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        // A field with number 0, a wire type that does not exist, a group that does not end.
        &[0x02, 0x00],
        &[0x0f],
        &[0x0b],
        &cut,
    ];
    for message in broken {
        let status = client.raw(GET_RATE_LIMITS, Bytes::copy_from_slice(message)).await.expect_err("refused");
        assert_eq!(status.code(), Code::Internal, "{message:02x?}: {status}");
        assert!(!status.message().is_empty(), "{message:02x?}");
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn a_known_field_of_another_wire_type_is_refused() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    // The items as a number, an item's hits as text, and its name as a number.
    let broken: [&[u8]; 3] = [&[0x08, 0x01], &[0x0a, 0x03, 0x1a, 0x01, 0x61], &[0x0a, 0x02, 0x08, 0x01]];
    for message in broken {
        let status = client.raw(GET_RATE_LIMITS, Bytes::copy_from_slice(message)).await.expect_err("refused");
        assert_eq!(status.code(), Code::Internal, "{message:02x?}: {status}");
        assert!(status.message().contains("wire type"), "{message:02x?}: {status}");
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn what_follows_the_item_that_is_too_many_is_not_read() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let mut message =
        GetRateLimitsReq { requests: vec![token("beyond", 1, 10, 60_000); 1_001] }.encode_to_vec();
    message.push(0xff);
    let status = client.raw(GET_RATE_LIMITS, message.into()).await.expect_err("refused");
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert_eq!(decision(&client.hit_one(token("beyond", 0, 10, 60_000)).await), (Under, 10), "none counted");
    still_serves(&mut daemon).await;
}

/// On its way to the owner each item gets the instant at which it is decided, and then all of them are
/// more than one message may be.
#[tokio::test]
async fn a_message_close_to_a_mebibyte_reaches_the_owner_of_all_its_items() {
    let members = rings::processes::<2>(&[]).await;
    let asked = &members[0].client;
    let request = |number: usize, hits| token(&format!("{number:0>1027}"), hits, 10, 60_000);
    let mut theirs = Vec::new();
    for round in 0.. {
        let numbers = round * 1_000..(round + 1) * 1_000;
        let probes: Vec<_> = numbers.clone().map(|number| request(number, 0)).collect();
        let replies = asked.hit(probes).await;
        theirs.extend(numbers.zip(replies).filter(|(_, reply)| reply.metadata.contains_key("owner")));
        if theirs.len() >= 1_000 {
            break;
        }
        assert!(round < 20, "of two nodes one owns {} keys of {}", theirs.len(), (round + 1) * 1_000);
    }
    let requests: Vec<_> = theirs.iter().take(1_000).map(|(number, _)| request(*number, 1)).collect();
    let len = GetRateLimitsReq { requests: requests.clone() }.encoded_len();
    assert!((MIB - 4_000..=MIB).contains(&len), "{len} bytes are not close to {MIB}");
    for (item, reply) in asked.hit(requests).await.iter().enumerate() {
        assert_eq!(decision(reply), (Under, 9), "item {item}");
        assert!(!reply.metadata.contains_key("degraded"), "item {item}: {reply:?}");
        assert!(reply.metadata.contains_key("owner"), "item {item}: {reply:?}");
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_refused() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    // name, unique_key, and a key of metadata.
    let broken: [&[u8]; 3] = [
        &[0x0a, 0x03, 0x0a, 0x01, 0xff],
        &[0x0a, 0x04, 0x12, 0x02, 0xc3, 0x28],
        &[0x0a, 0x05, 0x4a, 0x03, 0x0a, 0x01, 0xff],
    ];
    for message in broken {
        let status = client.raw(GET_RATE_LIMITS, Bytes::copy_from_slice(message)).await.expect_err("refused");
        assert_eq!(status.code(), Code::Internal, "{message:02x?}: {status}");
        assert!(status.message().contains("UTF-8"), "{message:02x?}: {status}");
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn a_message_above_a_mebibyte_is_refused_and_one_below_is_not() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let request = |length| token(&"k".repeat(length), 1, 10, 60_000);
    let longest = client.hit_one(request(4_096)).await;
    assert_eq!(decision(&longest), (Under, 9));
    // The message fits, and the key is too long for the table all the same.
    let long = client.hit(vec![request(MIB - 64), token("beside", 1, 10, 60_000)]).await;
    assert_eq!(long[0].error, "field 'unique_key' cannot be longer than 4096 bytes; it has 1048512");
    assert_eq!(decision(&long[1]), (Under, 9));

    let large = GetRateLimitsReq { requests: vec![request(MIB)] }.encode_to_vec();
    let status = client.raw(GET_RATE_LIMITS, large.clone().into()).await.expect_err("refused");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let expected = format!("grpc: received message larger than max ({} vs. 1048576)", large.len());
    assert_eq!(status.message(), expected);

    let body = format!(r#"{{"requests":[{{"name":"n","unique_key":"{}"}}]}}"#, "k".repeat(MIB));
    let reply = daemon.node().http().post("/v1/GetRateLimits", body).await;
    assert_eq!(reply.status.as_u16(), 429, "{}", reply.text());
    assert_eq!(reply.json()["code"], 8);
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn a_thousand_and_one_items_are_too_many() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let items = |count| (0..count).map(|item| token(&format!("many/{item}"), 1, 10, 60_000)).collect();
    assert_eq!(client.hit(items(1_000)).await.len(), 1_000);
    let status = client.try_hit(items(1_001)).await.expect_err("refused");
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(status.message(), "Requests.RateLimits list too large; max size is '1000'");
    assert_eq!(decision(&client.hit_one(token("many/0", 0, 10, 60_000)).await), (Under, 9), "counted once");
    assert!(client.try_hit(Vec::new()).await.expect("an empty call is fine").is_empty());
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn a_bad_item_gets_its_error_and_the_others_their_answer() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let good = token("items", 1, 10, 60_000);
    let algorithm = "Error while apply rate limit for 'e2e_items': during workerPool.GetRateLimit: \
                     Invalid rate limit algorithm '7'";
    let cases = [
        (RateLimitReq { unique_key: String::new(), ..good.clone() }, "field 'unique_key' cannot be empty"),
        (RateLimitReq { name: String::new(), ..good.clone() }, "field 'namespace' cannot be empty"),
        (RateLimitReq { limit: -1, ..good.clone() }, "field 'limit' cannot be negative"),
        (RateLimitReq { duration: -1, ..good.clone() }, "field 'duration' cannot be negative"),
        (RateLimitReq { burst: -1, ..good.clone() }, "field 'burst' cannot be negative"),
        (RateLimitReq { limit: i64::MIN, ..good.clone() }, "field 'limit' cannot be negative"),
        (RateLimitReq { algorithm: 7, ..good.clone() }, algorithm),
    ];
    for (request, error) in cases {
        let replies =
            client.hit(vec![good.clone(), request, RateLimitReq { hits: -1, ..good.clone() }]).await;
        assert_eq!(decision(&replies[0]), (Under, 9));
        assert_eq!(decision(&replies[2]), (Under, 10), "after {error}");
        let expected = RateLimitResp { error: error.to_owned(), ..RateLimitResp::default() };
        assert_eq!(replies[1], expected);
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn the_ends_of_the_numbers_are_answered() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let ends = [0, 1, i64::MAX - 1, i64::MAX];
    for algorithm in [0, 1] {
        for limit in ends {
            for duration in ends {
                let steps = [i64::MIN, -1, 0, 1, i64::MAX, i64::MIN].map(|hits| RateLimitReq {
                    algorithm,
                    burst: limit / 2,
                    ..token(&format!("ends/{algorithm}/{limit}/{duration}"), hits, limit, duration)
                });
                for reply in client.hit(steps.to_vec()).await {
                    assert_eq!(reply.error, "");
                    assert!(reply.remaining >= 0, "{reply:?}");
                }
            }
        }
    }
    let far = [i64::MIN, -1, 0, i64::MAX].map(|created_at| RateLimitReq {
        created_at: Some(created_at),
        ..token(&format!("far/{created_at}"), 1, 10, 60_000)
    });
    for reply in client.hit(far.to_vec()).await {
        assert_eq!(decision(&reply), (Under, 9));
    }
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn unknown_fields_and_behavior_bits_are_ignored() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    let mut item = RateLimitReq { behavior: 1 << 20, ..token("unknown", 1, 10, 60_000) }.encode_to_vec();
    // Field 1000, a varint; field 1001, text; field 1002, eight bytes; field 1003, four bytes.
    item.extend([0xc0, 0x3e, 0x01, 0xca, 0x3e, 0x02, b'h', b'i']);
    item.extend([0xd1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8, 0xdd, 0x3e, 1, 2, 3, 4]);
    let mut message = vec![0x0a, u8::try_from(item.len()).unwrap()];
    message.extend(item);
    // And beside the items, field 99.
    message.extend([0x98, 0x06, 0x01]);
    let reply = client.raw(GET_RATE_LIMITS, message.into()).await.expect("an answer");
    let reply = GetRateLimitsResp::decode(reply).unwrap();
    assert_eq!(decision(&reply.responses[0]), (Under, 9));
    still_serves(&mut daemon).await;
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let mut daemon = Launch::serve().start().await;
    let client = daemon.node().client().await;
    for path in ["/pb.gubernator.V1/Nothing", "/pb.gubernator.Nothing/GetRateLimits", "/", "/nothing"] {
        let status = client.raw(path, Bytes::new()).await.expect_err("refused");
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status}");
    }
    still_serves(&mut daemon).await;
}
