//! Any bytes as a request's head: the proxy's reading of it never panics, and no spelling passes a route by.
#![no_main]

#[path = "../../tests/proxy_heads.rs"]
mod body;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| body::proxy_heads(bytes));
