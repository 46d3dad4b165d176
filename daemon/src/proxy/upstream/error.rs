//! Why a request was not answered.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Whether the upstream may have begun with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// Nothing of it was sent.
    Unsent,
    /// Something of it may have been sent.
    Sent,
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The last endpoint that was tried cannot be connected to.
    #[error("cannot connect to {endpoint}: {fault}")]
    Connect {
        /// Which one.
        endpoint: SocketAddr,
        /// Why.
        #[source]
        fault: io::Error,
    },
    /// The last endpoint that was tried did not take the connection in time.
    #[error("{endpoint} did not take a connection within {after:?}")]
    ConnectTimeout {
        /// Which one.
        endpoint: SocketAddr,
        /// What was waited.
        after: Duration,
    },
    /// Nobody answers.
    #[error("the upstream has no endpoints: {0}")]
    NoEndpoints(String),
    /// All connections that may be open are busy.
    #[error(
        "all {limit} connections to the upstream are busy; raise spec.upstream.maxConnections or lower the window"
    )]
    TooManyConnections {
        /// How many may be open.
        limit: usize,
    },
    /// TLS cannot be spoken with it.
    #[error("cannot speak TLS with {endpoint}: {fault}")]
    Tls {
        /// Which one.
        endpoint: SocketAddr,
        /// Why.
        fault: String,
    },
    /// The request cannot be put in the upstream's form.
    #[error("the request cannot be sent on: {0}")]
    Request(#[from] http::Error),
    /// What the caller sent ended early.
    #[error("the request's body failed: {0}")]
    Body(#[source] hyper::Error),
    /// The connection failed.
    #[error("the connection to {endpoint} failed: {}", with_cause(fault))]
    Exchange {
        /// Which one.
        endpoint: SocketAddr,
        /// Whether the upstream may have begun with the request.
        was: Was,
        /// Why.
        #[source]
        fault: hyper::Error,
    },
}

impl UpstreamError {
    /// The word for it in metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::ConnectTimeout { .. } => "connect_timeout",
            Self::NoEndpoints(_) => "no_endpoints",
            Self::TooManyConnections { .. } => "too_many_connections",
            Self::Tls { .. } => "tls",
            Self::Request(_) => "request",
            Self::Body(_) => "body",
            Self::Exchange { was: Was::Unsent, .. } => "unsent",
            Self::Exchange { was: Was::Sent, .. } => "broken",
        }
    }

    /// What the caller is told: nothing of addresses and causes, which are the inside's affair.
    #[must_use]
    pub const fn told(&self) -> &'static str {
        match self {
            Self::Connect { .. } | Self::Tls { .. } => "the upstream cannot be connected to",
            Self::ConnectTimeout { .. } => "the upstream did not take a connection in time",
            Self::NoEndpoints(_) => "no endpoint of the upstream is ready",
            Self::TooManyConnections { .. } => "all connections to the upstream are busy",
            Self::Request(_) => "the request cannot be sent on",
            Self::Body(_) => "the request's body failed",
            Self::Exchange { .. } => "the upstream broke off before it answered",
        }
    }

    /// Where its word stands in [`Self::KINDS`].
    pub(super) fn nth(&self) -> usize {
        Self::KINDS.iter().position(|kind| *kind == self.kind()).unwrap_or_default()
    }

    /// All words that [`Self::kind`] has.
    pub const KINDS: [&'static str; 9] = [
        "connect",
        "connect_timeout",
        "no_endpoints",
        "too_many_connections",
        "tls",
        "request",
        "body",
        "unsent",
        "broken",
    ];

    /// Whether the upstream certainly knows nothing of the request.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        !matches!(self, Self::Body(_) | Self::Exchange { was: Was::Sent, .. })
    }

    /// Whether another endpoint may do better.
    pub(super) const fn is_of_endpoint(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::ConnectTimeout { .. } | Self::Tls { .. })
    }

    /// What came of sending a request.
    pub(super) fn of(endpoint: SocketAddr, was: Was, fault: hyper::Error) -> Self {
        // Of a body that ends early, hyper says that its user failed.
        if fault.is_user() { Self::Body(fault) } else { Self::Exchange { endpoint, was, fault } }
    }
}

/// hyper's errors do not say what caused them.
fn with_cause(fault: &hyper::Error) -> String {
    match fault.source() {
        Some(cause) => format!("{fault}: {cause}"),
        None => fault.to_string(),
    }
}
