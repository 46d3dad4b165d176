//! Messages to JSON: every field is written, default or not, under its name in the `.proto` file.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::gubernator::{
    GetRateLimitsResp, HealthCheckResp, LiveCheckResp, PeerHealthResp, RateLimitResp, Status,
};
use serde::{Serialize, Serializer};

/// Renders the answers, in order.
pub fn render_rate_limits(message: &GetRateLimitsResp) -> Bytes {
    render(&RateLimits { responses: &message.responses })
}

/// Renders the state of this instance and its peers.
pub fn render_health(message: &HealthCheckResp) -> Bytes {
    render(&Health {
        status: &message.status,
        message: &message.message,
        peer_count: message.peer_count,
        advertise_address: &message.advertise_address,
        local_peers: message.local_peers.iter().map(Peer::from).collect(),
        region_peers: message.region_peers.iter().map(Peer::from).collect(),
    })
}

/// Renders the answer to LiveCheck, which says nothing.
pub fn render_live(_: LiveCheckResp) -> Bytes {
    Bytes::from_static(b"{}")
}

/// Renders the body of a failed call: the gRPC status code as a number, and what went wrong.
pub fn render_error(code: i32, message: &str) -> Bytes {
    render(&Failure { code, message, details: [] })
}

fn render(shape: &impl Serialize) -> Bytes {
    // Fails only for keys that are no strings or for a writer that fails; there are neither here.
    serde_json::to_vec(shape).unwrap_or_default().into()
}

#[derive(Serialize)]
struct RateLimits<'a> {
    #[serde(serialize_with = "items")]
    responses: &'a [RateLimitResp],
}

fn items<S: Serializer>(items: &[RateLimitResp], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(items.iter().map(RateLimit::from))
}

#[derive(Serialize)]
struct RateLimit<'a> {
    #[serde(serialize_with = "status")]
    status: i32,
    #[serde(serialize_with = "quoted")]
    limit: i64,
    #[serde(serialize_with = "quoted")]
    remaining: i64,
    #[serde(serialize_with = "quoted")]
    reset_time: i64,
    error: &'a str,
    metadata: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a RateLimitResp> for RateLimit<'a> {
    fn from(item: &'a RateLimitResp) -> Self {
        Self {
            status: item.status,
            limit: item.limit,
            remaining: item.remaining,
            reset_time: item.reset_time,
            error: &item.error,
            metadata: &item.metadata,
        }
    }
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'a str,
    message: &'a str,
    peer_count: i32,
    advertise_address: &'a str,
    local_peers: Vec<Peer<'a>>,
    region_peers: Vec<Peer<'a>>,
}

#[derive(Serialize)]
struct Peer<'a> {
    grpc_address: &'a str,
    data_center: &'a str,
}

impl<'a> From<&'a PeerHealthResp> for Peer<'a> {
    fn from(peer: &'a PeerHealthResp) -> Self {
        Self { grpc_address: &peer.grpc_address, data_center: &peer.data_center }
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    code: i32,
    message: &'a str,
    details: [(); 0],
}

/// By name; a number that has none, as only another version's peer could send, as that number.
fn status<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    match Status::try_from(*value) {
        Ok(status) => serializer.serialize_str(status.as_str_name()),
        Err(_) => serializer.serialize_i32(*value),
    }
}

/// In quotes, as readers whose numbers are floats would lose the last digits.
fn quoted<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
