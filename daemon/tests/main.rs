//! The daemon's library from outside.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may fail it; clippy knows test functions only"
)]

mod corpora;
mod kubernetes;
mod proxy_heads;
mod wire_decode;
