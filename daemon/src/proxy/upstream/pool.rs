//! One thread's connections to a policy's upstream, and a request's way over them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::endpoints::{Endpoint, InFlight};
use super::http1::Connection;
use super::lanes::Lanes;
use super::lease::{Held, Lease};
use super::opening::Link;
use super::{Backend, Outgoing, UpstreamError, Was, shape};
use crate::proxy::tls::Alpn;

/// How many endpoints one request may try to connect to.
const TRIES: usize = 3;
/// How many new connections may end before a request is on them.
const FRESH_TRIES: usize = 2;
/// How long a connection whose answer was read may take to be ready for the next.
const SETTLE: Duration = Duration::from_secs(1);

/// One thread's connections. Clones share them; they must stay on the thread, since connections are
/// driven there.
pub struct Pool<B: Outgoing>(Arc<Inner<B>>);

pub(super) struct Inner<B: Outgoing> {
    pub(super) backend: Arc<Backend>,
    /// Never waited for: only one thread ever takes it.
    lanes: Mutex<Lanes<B>>,
    turn: AtomicUsize,
}

/// An answer, or why there is none and, where nothing was sent, the request.
type Exchanged<B> = Result<(Response<Incoming>, Lease), TrySendError<Request<B>>>;

/// A connection on its way back.
struct Out<B: Outgoing> {
    connection: Option<Connection<B>>,
    pool: Weak<Inner<B>>,
}

impl<B: Outgoing> Clone for Pool<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Outgoing> fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("backend", &self.0.backend).finish_non_exhaustive()
    }
}

impl<B: Outgoing> Pool<B> {
    /// A pool without connections.
    #[must_use]
    pub fn new(backend: &Arc<Backend>) -> Self {
        // Threads begin at different endpoints.
        let nth = backend.pools.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inner {
            backend: Arc::clone(backend),
            lanes: Mutex::default(),
            turn: AtomicUsize::new(nth),
        }))
    }

    /// What it shares with other threads' pools.
    #[must_use]
    pub fn backend(&self) -> &Arc<Backend> {
        &self.0.backend
    }

    /// Connections that are idle.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.0.lanes().len()
    }

    /// Sends a request, from which all that belongs to the caller's connection has been taken, and waits
    /// for the head of its answer. What has not reached the upstream is sent anew, over another connection
    /// or to another endpoint; what may have is not.
    ///
    /// # Errors
    /// Where no endpoint can be reached, no connection may be opened, or the connection fails.
    pub async fn send(&self, mut request: Request<B>) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let backend = &self.0.backend;
        shape::behind(&mut request, &backend.base_path)?;
        let alpn = backend.protocol_for(&request);
        let mut fresh_tries = 0;
        loop {
            let (link, fresh) = self.link(alpn).await?;
            let in_flight = InFlight::at(link.endpoint());
            let address = link.endpoint().address();
            match self.exchange(link, request, in_flight).await? {
                Ok(answered) => return Ok(answered),
                Err(mut error) => {
                    fresh_tries += usize::from(fresh);
                    let back = error.take_message();
                    let was = if back.is_some() { Was::Unsent } else { Was::Sent };
                    let error = UpstreamError::of(address, was, error.into_error());
                    match back {
                        Some(back) if fresh_tries < FRESH_TRIES => request = back,
                        _ => return Err(error),
                    }
                    tracing::debug!(%error, "the request is sent anew");
                }
            }
        }
    }

    /// A connection to the endpoint whose turn it is, or to another where that cannot be connected to.
    /// Whether it is new.
    async fn link(&self, alpn: Alpn) -> Result<(Link<B>, bool), UpstreamError> {
        let mut tried: Vec<SocketAddr> = Vec::new();
        let mut endpoint = match self.0.pick(&tried) {
            Some(endpoint) => endpoint,
            None => Box::pin(self.0.first()).await?,
        };
        loop {
            let error = match self.0.link(alpn, &endpoint).await {
                Err(error) if error.is_of_endpoint() => error,
                other => return other,
            };
            endpoint.went_down();
            self.0.backend.endpoints.ask_anew();
            tried.push(endpoint.address());
            let next = if tried.len() < TRIES { self.0.pick(&tried) } else { None };
            let Some(next) = next else { return Err(error) };
            tracing::debug!(%error, "another endpoint is tried");
            endpoint = next;
        }
    }

    async fn exchange(
        &self,
        link: Link<B>,
        mut request: Request<B>,
        in_flight: InFlight,
    ) -> Result<Exchanged<B>, UpstreamError> {
        let backend = &self.0.backend;
        match link {
            Link::One(mut connection) => {
                shape::for_http1(&mut request, &backend.host)?;
                Ok(connection.exchange(request).await.map(|response| {
                    let mut out = Out { connection: Some(connection), pool: Arc::downgrade(&self.0) };
                    let done = out.give_back();
                    let held = (!done).then(|| Box::new(out) as Box<dyn Held>);
                    (response, Lease::of_connection(held, in_flight))
                }))
            }
            Link::Many(mut stream) => {
                let scheme = if backend.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                shape::for_http2(&mut request, scheme, &backend.host)?;
                let answered = stream.exchange(request).await;
                Ok(answered.map(|response| (response, Lease::of_stream(stream.mark, in_flight))))
            }
        }
    }
}

impl<B: Outgoing> Inner<B> {
    pub(super) fn lanes(&self) -> MutexGuard<'_, Lanes<B>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pick(&self, tried: &[SocketAddr]) -> Option<Arc<Endpoint>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.backend.endpoints.pick(self.backend.balance, turn, tried)
    }

    /// The one whose turn it is where none is known: whoever has just started, or has another upstream now,
    /// waits for the first word of it, as long as connecting may take.
    async fn first(&self) -> Result<Arc<Endpoint>, UpstreamError> {
        let heard = self.backend.endpoints.heard();
        match self.backend.connect_timeout {
            // What was not heard in time is told as what is known.
            Some(timeout) => tokio::time::timeout(timeout, heard).await.unwrap_or_default(),
            None => heard.await,
        }
        self.pick(&[]).ok_or_else(|| self.nobody())
    }

    fn nobody(&self) -> UpstreamError {
        let trouble = self.backend.endpoints.trouble();
        UpstreamError::NoEndpoints(trouble.unwrap_or_else(|| "none is known".to_owned()))
    }
}

impl<B: Outgoing> Held for Out<B> {}

impl<B: Outgoing> Out<B> {
    /// Brings the connection back where it can be used; whether there is nothing more to wait for.
    fn give_back(&mut self) -> bool {
        let Some(mut connection) = self.connection.take() else { return true };
        if connection.is_usable() {
            if let Some(pool) = self.pool.upgrade() {
                pool.keep(connection);
            }
            return true;
        }
        self.connection = Some(connection);
        false
    }
}

impl<B: Outgoing> Drop for Out<B> {
    fn drop(&mut self) {
        if self.give_back() {
            return;
        }
        let (Some(mut connection), Ok(runtime)) =
            (self.connection.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        if connection.is_closed() {
            return;
        }
        // The end of the answer was read before the connection's own task saw it.
        let pool = Weak::clone(&self.pool);
        runtime.spawn(async move {
            let ready = tokio::time::timeout(SETTLE, connection.becomes_usable()).await;
            if ready == Ok(true)
                && let Some(pool) = pool.upgrade()
            {
                pool.keep(connection);
            }
        });
    }
}
