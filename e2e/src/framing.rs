//! gRPC's frame around a message, for load generators that send bytes from a file.

use prost::Message;
use proto::gubernator::{GetRateLimitsReq, RateLimitReq};

/// Bytes before a message: whether it is compressed, and its length.
pub const PREFIX: usize = 5;

/// `message` behind its prefix, not compressed.
pub fn frame(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).expect("a message below 4 GiB");
    let mut framed = Vec::with_capacity(body.len() + PREFIX);
    framed.push(0);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&body);
    framed
}

/// A call of `items` token bucket hits, each on a key of 18 bytes of its own, below a limit that no run
/// reaches. Limit and remaining keep their length on the wire throughout, so every reply has one size.
pub fn load_call(items: usize) -> GetRateLimitsReq {
    let requests = (0..items)
        .map(|item| RateLimitReq {
            name: "bench".to_owned(),
            unique_key: format!("account-{item:010}"),
            hits: 1,
            limit: 1_000_000_000_000,
            duration: 3_600_000,
            ..RateLimitReq::default()
        })
        .collect();
    GetRateLimitsReq { requests }
}
