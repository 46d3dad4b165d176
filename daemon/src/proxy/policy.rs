//! A policy as the proxy runs it: everything checked, nothing left to go wrong but the network.
//!
//! It comes from a BackpressurePolicy ([`declared`]) or from a file of throttle-proxy's.

use std::sync::Arc;
use std::time::Duration;

use crds::credentials::SecretKey;
use crds::reference::ObjectName;
use engine::aimd::{OnSignalLoss, Settings, SignalSettings};
use engine::block::BlockRules;
use engine::jitter::Jitter;
use http::HeaderName;

use super::route::Routes;

pub mod declared;

/// One listener, where its traffic goes, and what happens to it on the way.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The object that declares it; what it is called in logs, metrics and reports.
    pub source: ObjectName,
    /// Where the traffic comes in.
    pub listener: Listener,
    /// Where it goes.
    pub upstream: Upstream,
    /// The windows: first the policy's, then those of routes that have their own.
    pub windows: Vec<WindowPlan>,
    /// What happens to which requests.
    pub routes: Routes,
    /// What Prometheus is asked; no signals, no questions.
    pub signals: SignalPlan,
    /// Rate limits that are asked before the window.
    pub limits: Vec<LimitCheck>,
    /// The header that says how critical a request is, where requests are told apart by that.
    pub criticality: Option<HeaderName>,
    /// How requests are spread in time.
    pub jitter: Jitter,
    /// Requests that are always refused.
    pub block: BlockRules,
    /// How far back a PromQL query may look and still pass by the window, in milliseconds.
    pub promql_horizon: Option<i64>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Longest request body in bytes; none for no bound.
    pub max_body: Option<u64>,
    /// How refusals are worded.
    pub voice: Voice,
}

/// Where a policy's traffic comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The host to listen on; none for the one that the daemon's HTTP port has.
    pub host: Option<String>,
    /// The port; 0 for any.
    pub port: u16,
    /// Certificate and key, where TLS is spoken.
    pub tls: Option<ListenerTls>,
}

/// Where a listener's certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// The certificate and those that lead to its root, PEM.
    pub certificate: SecretKey,
    /// Its key, PEM.
    pub key: SecretKey,
}

/// Where a policy's traffic goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Who answers.
    pub target: Target,
    /// How requests are spread over several endpoints.
    pub balance: Balance,
    /// What is spoken.
    pub protocol: Protocol,
    /// Most connections at once, HTTP/2's counted as one each.
    pub max_connections: usize,
    /// How long connecting may take; none for no bound.
    pub connect_timeout: Option<Duration>,
    /// How long a connection may be idle; none for no bound.
    pub idle_timeout: Option<Duration>,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An address.
    Url {
        /// TLS, and whom to trust with it; none for plain text.
        tls: Option<UpstreamTls>,
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
        /// What every request's path is put behind; empty or a path without a slash at its end.
        base_path: String,
    },
    /// A Service.
    Service {
        /// Its namespace and name.
        service: ObjectName,
        /// Its port.
        port: u16,
    },
}

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Certificates to trust, PEM; none for those of the system.
    pub ca: Option<SecretKey>,
}

/// How requests are spread over endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn.
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastInFlight,
}

/// What is spoken with the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 for gRPC, HTTP/1.1 for all else; with TLS, what the upstream chooses.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A window, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowPlan {
    /// All that is declared of it, for the whole cluster or for each pod.
    pub settings: Settings,
    /// Whether its bounds are the cluster's, of which each pod holds a part.
    pub shared: bool,
}

/// What Prometheus is asked, and what its answers mean.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalPlan {
    /// The signals.
    pub signals: Vec<SignalSettings>,
    /// What counts for one that is not heard of.
    pub on_loss: OnSignalLoss,
    /// How old a value may be.
    pub max_staleness: Duration,
    /// Who is asked; there where there are signals.
    pub prometheus: Option<Prometheus>,
}

/// Who is asked, how, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prometheus {
    /// Address of the server; `/api/v1/query` comes behind it.
    pub url: String,
    /// How often each query is asked.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How we say who we are.
    pub auth: Auth,
    /// Certificates to trust, PEM; none for those of the system.
    pub ca: Option<SecretKey>,
    /// Headers sent with each question, sorted.
    pub headers: Vec<(String, String)>,
}

/// How we say who we are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Auth {
    /// We do not.
    None,
    /// With a token.
    Bearer(SecretKey),
    /// With a name and a password.
    Basic {
        /// The name.
        username: SecretKey,
        /// The password.
        password: SecretKey,
    },
}

/// A rate limit that is asked before the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitCheck {
    /// Name of the limit.
    pub name: Arc<str>,
    /// What the unique key is made of; joined by colons.
    pub key: Vec<KeyPart>,
}

/// A part of a unique key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The first value of this header, or nothing.
    Header(HeaderName),
    /// The caller's address.
    ClientAddress,
}

/// How long things may take; none for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A request, to the last byte of its answer.
    pub request: Option<Duration>,
    /// The same for a request that passes through.
    pub pass_through: Option<Duration>,
    /// A connection from a client on which nothing is asked.
    pub idle: Option<Duration>,
    /// A client in the middle of a request, whose turn it is to send or to read, and a tunnel on which
    /// nothing moves. It is looked for as often as [`Self::idle`] has it.
    pub stall: Option<Duration>,
}

/// How refusals and errors are worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// As ours: 429 with Retry-After and a reason, 502 and 504 with a body that says what went wrong.
    Declared,
    /// As throttle-proxy's, for its configuration files: the same body, and Retry-After and the reason
    /// beside it; 500 for what it calls a proxy error, 502 without a body.
    Original,
}

/// Why something declared cannot be run: the field, its value and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct PolicyError {
    /// Path of the field, such as `spec.block[0].pattern`.
    pub field: String,
    /// What is wrong with it.
    pub fault: String,
}

impl Policy {
    /// `namespace/name`, as metrics and logs have it.
    #[must_use]
    pub fn label(&self) -> String {
        self.source.to_string()
    }
}
