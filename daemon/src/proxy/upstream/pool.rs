//! One thread's connections to a policy's upstream, and a request's way over them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;

use super::endpoints::{Endpoint, InFlight};
use super::http1::Connection;
use super::lanes::Lanes;
use super::lease::{Held, Lease};
use super::{Backend, Outgoing, Place, UpstreamError, Was, connect, shape};
use crate::clock;

/// How many endpoints one request may try to connect to.
const TRIES: usize = 3;
/// How many new connections may end before a request is on them.
const FRESH_TRIES: usize = 2;
/// How long a connection whose answer was read may take to be ready for the next.
const SETTLE: Duration = Duration::from_secs(1);
/// How often idle connections are looked after, at the least.
const SWEEP: Duration = Duration::from_secs(5);

/// One thread's connections. Clones share them; they must stay on the thread, since connections are
/// driven there.
pub struct Pool<B: Outgoing>(Arc<Inner<B>>);

struct Inner<B: Outgoing> {
    backend: Arc<Backend>,
    /// Never waited for: only one thread ever takes it.
    lanes: Mutex<Lanes<B>>,
    turn: AtomicUsize,
}

/// A connection on its way back.
struct Out<B: Outgoing> {
    connection: Option<Connection<B>>,
    pool: Weak<Inner<B>>,
}

/// What may be done to send a request.
enum Way<B: Outgoing> {
    Open(Place),
    Reuse(Connection<B>),
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
        shape::for_http1(&mut request, &backend.host)?;
        let mut tried: Vec<SocketAddr> = Vec::new();
        let mut fresh_tries = 0;
        loop {
            let endpoint = self.0.pick(&tried)?;
            let found = match self.0.take(&endpoint) {
                Some(connection) => Ok((connection, false)),
                None => self.0.open(&endpoint).await,
            };
            let (mut connection, fresh) = match found {
                Ok(found) => found,
                Err(error) if error.is_of_endpoint() => {
                    self.0.failed(&endpoint);
                    tried.push(endpoint.address());
                    if tried.len() < TRIES && self.0.pick(&tried).is_ok() {
                        tracing::debug!(%error, "another endpoint is tried");
                        continue;
                    }
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
            let endpoint = Arc::clone(connection.endpoint());
            let in_flight = InFlight::at(&endpoint);
            match connection.exchange(request).await {
                Ok(response) => {
                    let mut out = Out { connection: Some(connection), pool: Arc::downgrade(&self.0) };
                    let done = out.give_back();
                    let held = (!done).then(|| Box::new(out) as Box<dyn Held>);
                    return Ok((response, Lease::new(held, in_flight)));
                }
                Err(mut error) => {
                    fresh_tries += usize::from(fresh);
                    let back = error.take_message();
                    let was = if back.is_some() { Was::Unsent } else { Was::Sent };
                    let error = UpstreamError::of(endpoint.address(), was, error.into_error());
                    match back {
                        Some(back) if fresh_tries < FRESH_TRIES => request = back,
                        _ => return Err(error),
                    }
                    tracing::debug!(%error, "the request is sent anew");
                }
            }
        }
    }
}

impl<B: Outgoing> Inner<B> {
    fn lanes(&self) -> MutexGuard<'_, Lanes<B>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pick(&self, tried: &[SocketAddr]) -> Result<Arc<Endpoint>, UpstreamError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let backend = &self.backend;
        backend.endpoints.pick(backend.balance, turn, tried).ok_or_else(|| {
            UpstreamError::NoEndpoints(
                backend.endpoints.trouble().unwrap_or_else(|| "none is known".to_owned()),
            )
        })
    }

    /// An idle connection that can be used.
    fn take(&self, endpoint: &Endpoint) -> Option<Connection<B>> {
        loop {
            let mut connection = self.lanes().take(endpoint.address())?;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    fn failed(&self, endpoint: &Endpoint) {
        endpoint.went_down();
        self.backend.endpoints.ask_anew();
    }

    /// A new connection, or one that came free while no other might be opened; whether it is new.
    async fn open(&self, endpoint: &Arc<Endpoint>) -> Result<(Connection<B>, bool), UpstreamError> {
        let place = match self.way().await? {
            Way::Open(place) => place,
            Way::Reuse(connection) => return Ok((connection, false)),
        };
        let io = connect::connect(&self.backend, endpoint).await?;
        endpoint.came_up();
        Connection::new(io, endpoint, place).await.map(|connection| (connection, true))
    }

    /// Waits until a connection may be opened, or one comes free on this thread; as long as connecting may
    /// take.
    async fn way(&self) -> Result<Way<B>, UpstreamError> {
        let backend = &self.backend;
        let places = &backend.places;
        if let Ok(permit) = Arc::clone(places).try_acquire_owned() {
            return Ok(Way::Open(backend.place(permit)));
        }
        // One that idles at another endpoint gives its place.
        let idle = self.lanes().take_any();
        drop(idle);
        let _waits = Waits::at(backend);
        let free = self.lanes().wait();
        backend.pressure.notify_waiters();
        let wait = async {
            tokio::select! {
                biased;
                Ok(connection) = free => Ok(Way::Reuse(connection)),
                // The semaphore is never closed.
                Ok(permit) = Arc::clone(places).acquire_owned() => Ok(Way::Open(backend.place(permit))),
                else => Err(UpstreamError::TooManyConnections { limit: backend.limit }),
            }
        };
        match backend.connect_timeout {
            Some(timeout) => tokio::time::timeout(timeout, wait)
                .await
                .unwrap_or(Err(UpstreamError::TooManyConnections { limit: backend.limit })),
            None => wait.await,
        }
    }

    /// Keeps a connection that can be used for the next request, or hands it on.
    fn keep(self: &Arc<Self>, connection: Connection<B>) {
        if connection.endpoint().is_gone() {
            return;
        }
        let mut lanes = self.lanes();
        let waiting = self.backend.waiting.load(Ordering::Relaxed) > 0;
        let Some(connection) = (if waiting { lanes.serve(connection) } else { Some(connection) }) else {
            return;
        };
        if waiting {
            // Another thread waits for its place.
            drop(lanes);
            drop(connection);
            return;
        }
        lanes.put(connection, clock::timer());
        if !std::mem::replace(&mut lanes.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), Arc::clone(&self.backend)));
        }
    }
}

/// Closes what has been idle too long, and what other threads wait for; ends when nothing is idle.
async fn sweep<B: Outgoing>(pool: Weak<Inner<B>>, backend: Arc<Backend>) {
    let period = backend.idle_timeout.map_or(SWEEP, |timeout| (timeout / 4).min(SWEEP));
    let period = period.max(Duration::from_millis(10));
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = backend.pressure.notified() => {}
        }
        let Some(pool) = pool.upgrade() else { return };
        let mut lanes = pool.lanes();
        let mut closed = lanes.sweep(clock::timer(), backend.idle_timeout);
        for _ in 0..backend.waiting.load(Ordering::Relaxed) {
            closed.extend(lanes.take_any());
        }
        lanes.swept = lanes.len() > 0;
        let done = !lanes.swept;
        drop(lanes);
        drop(closed);
        if done {
            return;
        }
    }
}

/// A request that waits for a place.
struct Waits<'a>(&'a Backend);

impl<'a> Waits<'a> {
    fn at(backend: &'a Backend) -> Self {
        backend.waiting.fetch_add(1, Ordering::Relaxed);
        Self(backend)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
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
