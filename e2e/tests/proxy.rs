//! The proxy of a BackpressurePolicy from outside: what it passes on, what it refuses, and what no client or
//! upstream can do to it. After each test nothing is in flight any more.

mod aborts;
mod abuse;
mod bounds;
mod bulk;
mod changes;
mod drain;
mod framing;
mod harness;
mod plain;
mod refusals;
mod routes;
mod slow;
mod smuggling;
mod soak;
mod stalls;
mod takeover;
mod tls;
mod upstreams;
mod versions;
