//! Who answers a policy's requests, and the connections to them.
//!
//! A [`Backend`] is what all threads share: who answers, and how many connections there may be. A
//! [`Pool`] is one thread's own. A request's two connections stay on one thread, so that nothing on its
//! way waits for another thread.

mod brief;
mod connect;
mod endpoints;
mod error;
mod http1;
mod http2;
mod lanes;
mod lease;
mod opening;
mod pool;
mod resolve;
mod shape;
mod slices;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use crds::reference::ObjectName;
use engine::Tick;
use http::{HeaderValue, Request};
use http_body::Body;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

pub use self::endpoints::{Endpoint, Endpoints};
pub use self::error::{UpstreamError, Was};
pub use self::lease::Lease;
pub use self::pool::Pool;
pub use self::resolve::{Following, ResolveContext};
use super::policy::{Balance, Protocol, Target, Upstream};
use super::refusal::is_grpc;
use super::secrets::Secrets;
use super::tls::{Alpn, ClientTls, Standing};
use crate::clock;
use crate::telemetry::Sparse;

/// A request's body, as connections can send it.
pub trait Outgoing:
    Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static
{
}

impl<B> Outgoing for B where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static
{
}

/// A policy's upstream as all threads share it.
#[derive(Debug)]
pub struct Backend {
    endpoints: Endpoints,
    balance: Balance,
    protocol: Protocol,
    limit: usize,
    connect_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    base_path: String,
    host: HeaderValue,
    tls: Option<ClientTls>,
    places: Arc<Semaphore>,
    open: AtomicI64,
    /// Requests that wait for a place; while there are any, no thread keeps idle connections.
    waiting: AtomicUsize,
    pressure: Notify,
    pools: AtomicUsize,
    /// What was said of failures, by their kind: one that goes on hides no other.
    said: [Sparse; UpstreamError::KINDS.len()],
}

impl Backend {
    /// What `upstream` declares, answered by `endpoints`; where it has a Secret, that is among `secrets`.
    #[must_use]
    pub fn new(upstream: &Upstream, endpoints: Endpoints, secrets: &Secrets) -> Arc<Self> {
        Self::after(None, upstream, endpoints, secrets)
    }

    /// The same, where there was one `before`: whom that trusted last is still trusted where the same is
    /// declared, whatever the Secret holds now.
    #[must_use]
    pub fn after(
        before: Option<&Self>,
        upstream: &Upstream,
        endpoints: Endpoints,
        secrets: &Secrets,
    ) -> Arc<Self> {
        let (host, base_path, tls) = match &upstream.target {
            Target::Url { tls, host, port, base_path } => {
                let usual = if tls.is_some() { 443 } else { 80 };
                let known = before.and_then(|before| before.tls.as_ref());
                let tls = tls.as_ref().map(|tls| match known.filter(|known| known.is(tls, host)) {
                    Some(known) => known.clone(),
                    None => ClientTls::new(tls, host, secrets.clone()),
                });
                (authority(host, *port, usual), base_path.clone(), tls)
            }
            Target::Service { service, port } => {
                let host = format!("{}.{}", service.name, service.namespace);
                (authority(&host, *port, 80), String::new(), None)
            }
        };
        let limit = upstream.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            endpoints,
            balance: upstream.balance,
            protocol: upstream.protocol,
            limit,
            connect_timeout: upstream.connect_timeout,
            idle_timeout: upstream.idle_timeout,
            base_path,
            host: HeaderValue::try_from(host).unwrap_or(HeaderValue::from_static("upstream")),
            tls,
            places: Arc::new(Semaphore::new(limit)),
            open: AtomicI64::new(0),
            waiting: AtomicUsize::new(0),
            pressure: Notify::new(),
            pools: AtomicUsize::new(0),
            said: Default::default(),
        })
    }

    /// Connections that are open now, over all threads.
    #[must_use]
    pub fn open_connections(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// How TLS with it stands to its Secret; nothing where it is spoken to in plain text.
    #[must_use]
    pub fn tls_standing(&self) -> Option<Standing> {
        self.tls.as_ref().map(ClientTls::standing)
    }

    /// Who answers.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Says why a request of `policy` was not answered: each time to who debugs, and now and then to all.
    pub fn complain(&self, policy: &ObjectName, error: &UpstreamError) {
        let kind = error.kind();
        match self.says(error, clock::tick()) {
            Some(unsaid) => {
                tracing::warn!(%policy, kind, %error, unsaid, "the upstream did not answer a request");
            }
            None => tracing::debug!(%policy, kind, %error, "the upstream did not answer a request"),
        }
    }

    /// Whether to say it to all now, and how often its kind was not said since the last time.
    fn says(&self, error: &UpstreamError, now: Tick) -> Option<u64> {
        self.said.get(error.nth())?.says(now)
    }

    /// What may be spoken for a request.
    fn protocol_for<B>(&self, request: &Request<B>) -> Alpn {
        match self.protocol {
            _ if shape::may_take_over(request) => Alpn::Http1,
            Protocol::Http1 => Alpn::Http1,
            Protocol::Http2 => Alpn::Http2,
            Protocol::Auto if self.tls.is_some() => Alpn::Either,
            Protocol::Auto if is_grpc(request.headers()) => Alpn::Http2,
            Protocol::Auto => Alpn::Http1,
        }
    }

    fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        self.open.fetch_add(1, Ordering::Relaxed);
        Place { backend: Arc::clone(self), _permit: permit }
    }
}

/// The right to have one connection open.
#[derive(Debug)]
struct Place {
    backend: Arc<Backend>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.backend.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a Host header says; the port only where it is not the usual one.
fn authority(host: &str, port: u16, usual: u16) -> String {
    let host =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    if port == usual { host } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests;
