//! Bytes worked out by hand from Gubernator's field numbers, both ways.

use std::collections::BTreeMap;
use std::fmt::Debug;

use prost::Message;
use wicketgate_proto::FILE_DESCRIPTOR_SET;
use wicketgate_proto::gubernator::{
    Algorithm, Behavior, GetPeerRateLimitsReq, GetPeerRateLimitsResp, GetRateLimitsReq, GetRateLimitsResp,
    HealthCheckResp, PeerHealthResp, RateLimitReq, RateLimitResp, Status, UpdatePeerGlobal,
    UpdatePeerGlobalsReq,
};

#[track_caller]
fn same_both_ways<M: Message + Default + PartialEq + Debug>(message: &M, bytes: &[u8]) {
    assert_eq!(message.encode_to_vec(), bytes);
    assert_eq!(&M::decode(bytes).unwrap(), message);
}

fn pair(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

#[test]
fn request_with_every_field() {
    let item = RateLimitReq {
        name: "n".into(),
        unique_key: "k".into(),
        hits: 1,
        limit: 10,
        duration: 1000,
        algorithm: Algorithm::LeakyBucket as i32,
        behavior: Behavior::DurationIsGregorian as i32 | Behavior::DrainOverLimit as i32,
        burst: 5,
        metadata: pair("a", "b"),
        created_at: Some(300),
    };
    let bytes = b"\x0a\x1e\
        \x0a\x01n\
        \x12\x01k\
        \x18\x01\
        \x20\x0a\
        \x28\xe8\x07\
        \x30\x01\
        \x38\x24\
        \x40\x05\
        \x4a\x06\x0a\x01a\x12\x01b\
        \x50\xac\x02";
    same_both_ways(&GetRateLimitsReq { requests: vec![item.clone()] }, bytes);
    same_both_ways(&GetPeerRateLimitsReq { requests: vec![item] }, bytes);
}

#[test]
fn response_with_every_field() {
    let item = RateLimitResp {
        status: Status::OverLimit as i32,
        limit: 10,
        remaining: 9,
        reset_time: 1000,
        error: "e".into(),
        metadata: pair("owner", "o"),
    };
    let bytes = b"\x0a\x18\
        \x08\x01\
        \x10\x0a\
        \x18\x09\
        \x20\xe8\x07\
        \x2a\x01e\
        \x32\x0a\x0a\x05owner\x12\x01o";
    same_both_ways(&GetRateLimitsResp { responses: vec![item.clone()] }, bytes);
    same_both_ways(&GetPeerRateLimitsResp { rate_limits: vec![item] }, bytes);
}

#[test]
fn health_with_every_field() {
    let peer = |address: &str, region: &str| PeerHealthResp {
        grpc_address: address.into(),
        data_center: region.into(),
    };
    let message = HealthCheckResp {
        status: "s".into(),
        message: "m".into(),
        peer_count: 2,
        advertise_address: "a".into(),
        local_peers: vec![peer("g", "d")],
        region_peers: vec![peer("h", "")],
    };
    let bytes = b"\x0a\x01s\x12\x01m\x18\x02\x22\x01a\x2a\x06\x0a\x01g\x12\x01d\x32\x03\x0a\x01h";
    same_both_ways(&message, bytes);
}

#[test]
fn broadcast_with_every_field() {
    let global = UpdatePeerGlobal {
        key: "n_k".into(),
        status: Some(RateLimitResp { limit: 2, ..RateLimitResp::default() }),
        algorithm: Algorithm::LeakyBucket as i32,
        duration: 5,
        created_at: 7,
    };
    let bytes = b"\x0a\x0f\x0a\x03n_k\x12\x02\x10\x02\x18\x01\x20\x05\x28\x07";
    same_both_ways(&UpdatePeerGlobalsReq { globals: vec![global] }, bytes);
}

#[test]
fn negative_numbers_take_ten_bytes() {
    let item = RateLimitReq { hits: -1, ..RateLimitReq::default() };
    same_both_ways(&item, b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

#[test]
fn unknown_behavior_bits_and_algorithms_survive() {
    for behavior in [64, 65, 1 << 30, i32::MIN, -1] {
        let item = RateLimitReq { behavior, algorithm: 7, ..RateLimitReq::default() };
        let decoded = RateLimitReq::decode(&*item.encode_to_vec()).unwrap();
        assert_eq!((decoded.behavior, decoded.algorithm), (behavior, 7));
    }
}

#[test]
fn created_at_of_zero_is_not_absence() {
    let absent = RateLimitReq::default();
    let zero = RateLimitReq { created_at: Some(0), ..RateLimitReq::default() };
    same_both_ways(&absent, b"");
    same_both_ways(&zero, b"\x50\x00");
}

#[test]
fn unknown_fields_are_skipped() {
    // Field 1000, a varint, ahead of field 1.
    let global = UpdatePeerGlobal::decode(&b"\xc0\x3e\x05\x0a\x01k"[..]).unwrap();
    assert_eq!(global.key, "k");
}

#[test]
fn maps_are_written_in_order() {
    let metadata = ["c", "a", "b"].map(|key| (key.to_owned(), String::new()));
    let item = RateLimitResp { metadata: metadata.into(), ..RateLimitResp::default() };
    assert_eq!(item.encode_to_vec(), b"\x32\x03\x0a\x01a\x32\x03\x0a\x01b\x32\x03\x0a\x01c");
}

#[test]
fn damaged_bytes_are_errors() {
    for bytes in [
        &b"\x0a\x05n"[..],
        b"\x0a\x01\xff",
        b"\x18",
        b"\x00\x00",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert!(RateLimitReq::decode(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn descriptors_name_both_services() {
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut services: Vec<String> = set
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(|s| format!("{}.{}", file.package(), s.name())))
        .collect();
    services.sort();
    assert_eq!(services, ["pb.gubernator.PeersV1", "pb.gubernator.V1"]);
}
