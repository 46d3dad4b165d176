//! The body of the fuzz target `wire_decode`: our reader of the hot messages against the generated
//! one, over any bytes. `daemon/fuzz` includes this file; `corpora.rs` replays its corpus.

use engine::{Status, UnixMillis, Verdict};
use prost::Message;
use proto::gubernator::{GetRateLimitsReq, GetRateLimitsResp, RateLimitReq};
use wicketgate_daemon::wire::{Answers, Item, MAX_ITEMS, WireError, items};

/// Panics where the two disagree on whether the bytes are a message, or on what it says.
pub(crate) fn wire_decode(bytes: &[u8]) {
    let ours = items(bytes, MAX_ITEMS);
    let theirs = GetRateLimitsReq::decode(bytes);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => {
            // One more than the most is read, to know that there are too many.
            assert_eq!(ours.len(), theirs.requests.len().min(MAX_ITEMS + 1));
            for (ours, theirs) in ours.iter().zip(&theirs.requests) {
                assert_same_item(ours, theirs);
            }
            assert_answers_read_back(ours);
        }
        (Err(_), Err(_)) => {}
        // What follows too many items is not looked at.
        (Ok(ours), Err(_)) if ours.len() > MAX_ITEMS => {}
        // Both give up on groups nested about a hundred deep, but count from another level.
        (Err(WireError::Depth), Ok(_)) => {}
        (Ok(_), Err(error)) if error.to_string().contains("recursion") => {}
        (Ok(_), Err(error)) => panic!("only the generated reader refuses this: {error}"),
        (Err(error), Ok(_)) => panic!("only our reader refuses this: {error}"),
    }
}

fn assert_same_item(ours: &Item<'_>, theirs: &RateLimitReq) {
    let request = ours.request;
    assert_eq!((request.name, request.unique_key), (theirs.name.as_str(), theirs.unique_key.as_str()));
    assert_eq!(
        [request.hits, request.limit, request.duration, request.burst],
        [theirs.hits, theirs.limit, theirs.duration, theirs.burst]
    );
    assert_eq!((request.algorithm, request.behavior.bits()), (theirs.algorithm, theirs.behavior));
    assert_eq!(ours.created_at, theirs.created_at);
    // The item's own bytes say the same again: that is what is passed on.
    assert_eq!(RateLimitReq::decode(ours.bytes).as_ref(), Ok(theirs));
}

/// Writes an answer for each item, out of its own numbers, and reads them back.
fn assert_answers_read_back(items: &[Item<'_>]) {
    let verdicts = items.iter().map(|Item { request, .. }| Verdict {
        status: if request.hits & 1 == 0 { Status::UnderLimit } else { Status::OverLimit },
        limit: request.limit,
        remaining: request.hits,
        reset_time: UnixMillis::new(request.duration),
        retry_after: (request.burst > 0).then_some(request.burst),
    });
    let verdicts: Vec<Verdict> = verdicts.collect();
    let mut answers = Answers::with_room(5, verdicts.len());
    for verdict in &verdicts {
        answers.verdict(verdict, &[]);
    }
    let written = answers.into_bytes();
    let read = GetRateLimitsResp::decode(&written[5..]).expect("what we write can be read");
    assert_eq!(read.responses.len(), verdicts.len());
    for (read, verdict) in read.responses.iter().zip(&verdicts) {
        assert_eq!(read.status, i32::from(verdict.status == Status::OverLimit));
        assert_eq!((read.limit, read.remaining), (verdict.limit, verdict.remaining));
        assert_eq!(read.reset_time, verdict.reset_time.get());
        let retry_after = read.metadata.get("retry_after_ms").map(String::as_str);
        assert_eq!(retry_after, verdict.retry_after.map(|wait| wait.to_string()).as_deref());
    }
}
