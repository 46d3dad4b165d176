//! Any bytes: our reader of the hot messages agrees with the generated one, and never panics.
#![no_main]

#[path = "../../tests/wire_decode.rs"]
mod body;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| body::wire_decode(bytes));
