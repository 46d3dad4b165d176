//! The chain without the proxy: a tower layer around a service of one's own, or around a client.
//!
//! Both ask the same [`Gate`] as the proxy does, in its order: route, block rules, rate limits, jitter,
//! window. A server's [`ServerLayer`] answers what is refused as the proxy does, with 429. A client's
//! [`ClientLayer`] gives it back as the error [`Blocked`], and nothing is sent. [`Chains`] make gates from
//! policies and have their signals asked.

mod answer;
mod chain;
mod client;
mod server;
mod way;

use std::net::IpAddr;

pub use self::answer::Answer;
pub use self::chain::{Chain, ChainError, Chains, policy};
pub use self::client::{Blocked, ClientLayer, ClientService, Malformed};
pub use self::server::{ServerLayer, ServerService};

#[cfg(doc)]
use super::gate::Gate;

/// Any error, as tower's services have it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Who asks, for rate limits whose key is the client's address. A server puts it into the request's
/// extensions; axum's `ConnectInfo<SocketAddr>` is understood as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

#[cfg(test)]
mod tests;
