//! The codec against prost's, which reads and writes the same messages as owned types.

use engine::{Status, UnixMillis, Verdict};
use proptest::prelude::*;
use prost::Message;
use proto::gubernator::{GetRateLimitsReq, GetRateLimitsResp, RateLimitReq, RateLimitResp};

use super::*;

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(i64::MAX), Just(i64::MIN), -300..300i64, any::<i64>()]
}

prop_compose! {
    fn request()(
        name in ".{0,12}", unique_key in "\\PC{0,40}",
        hits in number(), limit in number(), duration in number(), burst in number(),
        algorithm in any::<i32>(), behavior in any::<i32>(),
        created_at in proptest::option::of(number()),
        metadata in proptest::collection::btree_map("[a-z]{1,8}", ".{0,8}", 0..3),
    ) -> RateLimitReq {
        RateLimitReq { name, unique_key, hits, limit, duration, algorithm, behavior, burst, metadata, created_at }
    }
}

fn same(item: &Item<'_>, request: &RateLimitReq) -> bool {
    let own = &item.request;
    (own.name, own.unique_key, own.hits, own.limit, own.duration, own.burst)
        == (
            &*request.name,
            &*request.unique_key,
            request.hits,
            request.limit,
            request.duration,
            request.burst,
        )
        && (own.algorithm, own.behavior.bits(), item.created_at)
            == (request.algorithm, request.behavior, request.created_at)
}

proptest! {
    #[test]
    fn reads_what_prost_writes(requests in proptest::collection::vec(request(), 0..8)) {
        let message = GetRateLimitsReq { requests }.encode_to_vec();
        let requests = GetRateLimitsReq::decode(&*message).unwrap().requests;
        let items = items(&message, MAX_ITEMS).unwrap();
        prop_assert_eq!(items.len(), requests.len());
        for (item, request) in items.iter().zip(&requests) {
            prop_assert!(same(item, request), "{:?} is not {:?}", item, request);
            prop_assert_eq!(&RateLimitReq::decode(item.bytes).unwrap(), request);
        }
    }

    /// Bytes that one decoder takes and the other does not would let a caller say two things at once.
    #[test]
    fn takes_what_prost_takes(
        requests in proptest::collection::vec(request(), 1..4),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut message = GetRateLimitsReq { requests }.encode_to_vec();
        for (place, byte) in damage {
            let place = place.index(message.len());
            message[place] = byte;
        }
        message.truncate(cut.index(message.len() + 1));
        let (own, others) = (items(&message, MAX_ITEMS), GetRateLimitsReq::decode(&*message));
        prop_assert_eq!(own.is_ok(), others.is_ok(), "{:?} and {:?}", own, others);
        if let (Ok(own), Ok(others)) = (own, others) {
            prop_assert!(own.iter().zip(&others.requests).all(|(item, request)| same(item, request)));
        }
    }

    #[test]
    fn prost_reads_what_it_writes(
        (limit, remaining, reset_time, over) in (number(), number(), number(), any::<bool>()),
        retry_after in proptest::option::of(0..=i64::MAX), owner in ".{0,20}", prefix in 0..9usize,
    ) {
        let status = if over { Status::OverLimit } else { Status::UnderLimit };
        let verdict =
            Verdict { status, limit, remaining, reset_time: UnixMillis::new(reset_time), retry_after };
        let mut answers = Answers::with_room(prefix, 1);
        answers.verdict(&verdict, &[Note::Owner(&owner)]);
        answers.error(&owner, &[]);
        let passed_on = RateLimitResp { limit, error: owner.clone(), ..RateLimitResp::default() };
        answers.passed_on(&passed_on.encode_to_vec(), &[Note::Degraded("Local"), Note::Audit]);
        let bytes = answers.into_bytes();
        let read = GetRateLimitsResp::decode(&bytes[prefix..]).unwrap().responses;
        let retry = retry_after.map(|millis| ("retry_after_ms".to_owned(), millis.to_string()));
        let metadata = retry.into_iter().chain([("owner".to_owned(), owner.clone())]).collect();
        let decided = RateLimitResp {
            status: i32::from(over), limit, remaining, reset_time, error: String::new(), metadata,
        };
        prop_assert_eq!(&read[0], &decided);
        prop_assert_eq!(&read[1], &RateLimitResp { error: owner, ..RateLimitResp::default() });
        prop_assert_eq!(read[2].metadata.len(), 2);
        prop_assert_eq!((read[2].limit, &read[2].error), (limit, &passed_on.error));
    }

    #[test]
    fn a_forwarded_item_carries_its_instant_and_flags(request in request(), at in number(), flags in any::<i32>()) {
        let mut record = Vec::new();
        forward_record(&mut record, &request.encode_to_vec(), Some(at), Some(flags));
        forward_record(&mut record, &request.encode_to_vec(), None, None);
        let read = GetRateLimitsReq::decode(&*record).unwrap().requests;
        let changed = RateLimitReq { created_at: Some(at), behavior: flags, ..request.clone() };
        prop_assert_eq!(read, vec![changed, request]);
    }
}

#[test]
fn reading_stops_after_one_item_too_many() {
    let message = GetRateLimitsReq { requests: vec![RateLimitReq::default(); 1_500] }.encode_to_vec();
    assert_eq!(items(&message, MAX_ITEMS).map(|items| items.len()), Ok(MAX_ITEMS + 1));
}

#[test]
fn runs_of_records_are_cut_where_they_end() {
    let message = b"\x0a\x01a\x10\x05\x0a\x00\x0a\x02bc";
    assert_eq!(split(message, [1, 2]), Some(vec![0..3, 3..11]));
    assert_eq!(split(message, [0, 3]), Some(vec![0..0, 0..11]));
    assert_eq!((split(message, [1, 1]), split(message, [4]), split(b"\x0a\x05a", [1])), (None, None, None));
}

#[test]
fn what_is_no_message_is_named() {
    for (message, error) in [
        (&b"\x0a\x05a"[..], WireError::Truncated),
        (b"\x0a\x03\x0a\x01\xff", WireError::Utf8("name")),
        (b"\x0a\x02\x1a\x00", WireError::WireType("hits")),
        (b"\x08\x01", WireError::WireType("requests")),
        (b"\x00", WireError::Tag),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", WireError::Varint),
        (b"\x17", WireError::Tag),
    ] {
        assert_eq!(items(message, MAX_ITEMS), Err(error), "{message:?}");
    }
    let nested = [&[0x1b; 150][..], &[0x1c; 150]].concat();
    assert_eq!(items(&nested, MAX_ITEMS), Err(WireError::Depth));
}
