//! The generated code is what the `.proto` files say, and the bytes are Gubernator's.

// In a test an unwrap is an assertion; clippy's own exception does not reach helper functions.
#![allow(clippy::unwrap_used)]

mod bootstrap;
mod wire;
