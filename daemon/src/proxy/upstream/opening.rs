//! Where a request's connection comes from: one that is there, a new one, or one that comes free.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::endpoints::Endpoint;
use super::http1::Connection;
use super::http2::{Shared, Stream};
use super::pool::Inner;
use super::{Backend, Outgoing, Place, UpstreamError, connect};
use crate::clock;
use crate::proxy::tls::Alpn;

/// How often connections are looked after, at the least and at the most.
const SWEEP: Duration = Duration::from_secs(5);
const SWEEP_SOON: Duration = Duration::from_millis(10);

/// A connection for one request.
pub(super) enum Link<B: Outgoing> {
    /// It is the request's alone.
    One(Connection<B>),
    /// It is shared.
    Many(Stream<B>),
}

/// What came of waiting.
enum Way<B: Outgoing> {
    Open(Place),
    Reuse(Connection<B>),
}

impl<B: Outgoing> Link<B> {
    pub(super) const fn endpoint(&self) -> &Arc<Endpoint> {
        match self {
            Self::One(connection) => connection.endpoint(),
            Self::Many(stream) => &stream.endpoint,
        }
    }
}

impl<B: Outgoing> Inner<B> {
    /// A connection to `endpoint` over which that may be spoken; whether it is new.
    pub(super) async fn link(
        self: &Arc<Self>,
        alpn: Alpn,
        endpoint: &Arc<Endpoint>,
    ) -> Result<(Link<B>, bool), UpstreamError> {
        if let Some(link) = self.at_hand(alpn, endpoint) {
            return Ok((link, false));
        }
        if alpn == Alpn::Http1 || (alpn == Alpn::Either && endpoint.speaks_http1()) {
            return self.open(alpn, endpoint).await;
        }
        // One opens the connection that all share.
        let gate = self.lanes().gate(endpoint.address());
        let turn = match gate.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                let turn = gate.lock().await;
                if let Some(link) = self.at_hand(alpn, endpoint) {
                    return Ok((link, false));
                }
                if endpoint.is_down() {
                    let fault = io::Error::other("another request has just failed to");
                    return Err(UpstreamError::Connect { endpoint: endpoint.address(), fault });
                }
                turn
            }
        };
        // Of what cannot be shared each opens its own.
        let turn = (alpn == Alpn::Http2 || !endpoint.speaks_http1()).then_some(turn);
        let opened = self.open(alpn, endpoint).await;
        drop(turn);
        opened
    }

    fn at_hand(&self, alpn: Alpn, endpoint: &Endpoint) -> Option<Link<B>> {
        let address = endpoint.address();
        if alpn != Alpn::Http1
            && let Some(stream) = self.lanes().stream(address, false)
        {
            return Some(Link::Many(stream));
        }
        if alpn == Alpn::Http2 {
            return None;
        }
        loop {
            let mut connection = self.lanes().take(address)?;
            if connection.is_usable() {
                return Some(Link::One(connection));
            }
        }
    }

    /// A new connection; where none may be opened, one that is shared already, or that comes free.
    async fn open(
        self: &Arc<Self>,
        alpn: Alpn,
        endpoint: &Arc<Endpoint>,
    ) -> Result<(Link<B>, bool), UpstreamError> {
        let place = loop {
            if let Some(place) = self.place() {
                break place;
            }
            if alpn != Alpn::Http1
                && let Some(stream) = self.lanes().stream(endpoint.address(), true)
            {
                return Ok((Link::Many(stream), false));
            }
            match self.wait().await? {
                Way::Open(place) => break place,
                Way::Reuse(connection) if alpn != Alpn::Http2 => return Ok((Link::One(connection), false)),
                // It cannot be shared, and gives its place.
                Way::Reuse(_) => {}
            }
        };
        let (io, shared) = connect::connect(&self.backend, endpoint, alpn).await?;
        endpoint.came_up();
        endpoint.spoke(!shared);
        if !shared {
            return Ok((Link::One(Connection::new(io, endpoint, place).await?), true));
        }
        let shared = Shared::new(io, endpoint, place).await?;
        let stream = shared.stream();
        let mut lanes = self.lanes();
        lanes.share(shared);
        self.look_after(&mut lanes.swept);
        drop(lanes);
        Ok((Link::Many(stream), true))
    }

    fn place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.backend.places).try_acquire_owned().ok()?;
        Some(self.backend.place(permit))
    }

    /// Waits until a connection may be opened, or one comes free on this thread; as long as connecting may
    /// take.
    async fn wait(&self) -> Result<Way<B>, UpstreamError> {
        let backend = &self.backend;
        let _waits = Waits::at(backend);
        let free = {
            let mut lanes = self.lanes();
            // One that idles at another endpoint gives its place.
            lanes.give_up_one();
            lanes.wait()
        };
        backend.pressure.notify_waiters();
        let busy = || UpstreamError::TooManyConnections { limit: backend.limit };
        let wait = async {
            tokio::select! {
                biased;
                Ok(connection) = free => Ok(Way::Reuse(connection)),
                // The semaphore is never closed.
                Ok(permit) = Arc::clone(&backend.places).acquire_owned() => Ok(Way::Open(backend.place(permit))),
                else => Err(busy()),
            }
        };
        match backend.connect_timeout {
            Some(timeout) => tokio::time::timeout(timeout, wait).await.unwrap_or_else(|_| Err(busy())),
            None => wait.await,
        }
    }

    /// Keeps a connection that can be used for the next request, or hands it on.
    pub(super) fn keep(self: &Arc<Self>, connection: Connection<B>) {
        if connection.endpoint().is_gone() {
            return;
        }
        let mut lanes = self.lanes();
        if self.backend.waiting.load(Ordering::Relaxed) > 0 {
            let unwanted = lanes.serve(connection);
            // Where another thread waits, its place is what is waited for.
            drop(lanes);
            drop(unwanted);
            return;
        }
        lanes.put(connection, clock::timer());
        self.look_after(&mut lanes.swept);
    }

    fn look_after(self: &Arc<Self>, swept: &mut bool) {
        if !std::mem::replace(swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), Arc::clone(&self.backend)));
        }
    }
}

/// Closes what has been idle too long, and what other threads wait for; ends when nothing is left.
async fn sweep<B: Outgoing>(pool: Weak<Inner<B>>, backend: Arc<Backend>) {
    let period = backend.idle_timeout.map_or(SWEEP, |timeout| (timeout / 4).clamp(SWEEP_SOON, SWEEP));
    loop {
        // Hears from here on who begins to wait; who did so before is counted.
        let pressed = backend.pressure.notified();
        {
            let Some(pool) = pool.upgrade() else { return };
            let mut lanes = pool.lanes();
            for _ in 0..backend.waiting.load(Ordering::Relaxed) {
                if !lanes.give_up_one() {
                    break;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = pressed => {}
        }
        let Some(pool) = pool.upgrade() else { return };
        let mut lanes = pool.lanes();
        lanes.swept = lanes.sweep(clock::timer(), backend.idle_timeout);
        if !lanes.swept {
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
