//! The engine from outside: golden tables, recorded replies, laws, and a second opinion.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may fail it; clippy knows test functions only"
)]

use std::hash::{BuildHasher, RandomState};

mod allocations;
mod differential;
mod fuzz_engine;
mod golden;
mod laws;
mod model;
mod operation;
mod pictures;
mod replay;
mod ring;
mod window;

/// The seed of what is random here: `WICKETGATE_SEED`, or a new one each run.
fn seed() -> u64 {
    match std::env::var("WICKETGATE_SEED") {
        Ok(text) => text.parse().expect("WICKETGATE_SEED is a number"),
        Err(_) => RandomState::new().hash_one(0),
    }
}

/// Bytes without pattern, always the same for one seed (SplitMix64).
fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(len).collect()
}
