use super::*;
use crate::{Algorithm, Window};

fn hit(key: &str, at: i64) -> Hit<'_> {
    Hit {
        name: "n",
        unique_key: key,
        hits: 1,
        limit: 5,
        window: Window::Millis(1_000),
        algorithm: Algorithm::TokenBucket,
        burst: 5,
        reset: false,
        drain: false,
        at: UnixMillis::new(at),
    }
}

fn take(shard: &mut Shard, key: &str, at: i64) -> (Effect, i64) {
    let (effect, verdict) = shard.hit(&Probe::new(7, "n", key), &hit(key, at));
    (effect, verdict.remaining)
}

#[test]
fn a_slot_leaves_room_for_the_stamp_and_the_index() {
    // Of the 128 bytes that a bucket may take, the stamp takes 4 and the index 7 at most.
    assert_eq!(size_of::<Slot>(), 96);
    assert!(size_of::<[Slot; BLOCK]>() <= 4096);
}

#[test]
fn stamps_go_round_without_forgetting_the_order() {
    let mut shard = Shard::new(7);
    shard.uses = u32::MAX - 2;
    for key in ["a", "b", "c", "d"] {
        take(&mut shard, key, 0);
    }
    take(&mut shard, "a", 0);
    assert!(shard.evict(UnixMillis::new(0)));
    assert_eq!(take(&mut shard, "a", 0), (Effect::Found, 2));
    assert_eq!(take(&mut shard, "b", 0), (Effect::Created { grown: true }, 4));
}

#[test]
fn a_shard_without_numbers_left_evicts() {
    let mut shard = Shard::new(7);
    for nth in 0..MAX_SLOTS {
        assert_eq!(take(&mut shard, &nth.to_string(), 0).0, Effect::Created { grown: true });
    }
    assert_eq!(take(&mut shard, "one more", 0).0, Effect::Created { grown: false });
    assert_eq!((shard.len(), shard.counts().evicted_live), (MAX_SLOTS, 1));
    assert_eq!(take(&mut shard, "1", 0).0, Effect::Found);
}

#[test]
fn what_is_over_is_swept_and_its_memory_given_back() {
    let mut shard = Shard::new(7);
    for nth in 0..1_000 {
        take(&mut shard, &nth.to_string(), if nth < 900 { 0 } else { 5_000 });
    }
    let blocks = shard.blocks.len();
    let mut dropped = 0;
    loop {
        let (gone, done) = shard.sweep(UnixMillis::new(2_000), 3);
        dropped += gone;
        if done {
            break;
        }
    }
    assert_eq!((dropped, shard.len()), (900, 100));
    assert!(shard.blocks.len() < blocks / 4, "{} of {blocks} blocks are left", shard.blocks.len());
    assert_eq!(take(&mut shard, "950", 5_001), (Effect::Found, 3));
}
