//! A policy's listener: each connection speaks HTTP/1.1, or HTTP/2 by prior knowledge or ALPN.

mod noted;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus::IntGauge;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::noted::Noted;
use super::headers::Client;
use super::pulse::Pulse;
use super::service::{Door, Live};
use super::tls::ServerTls;
use crate::server::{Arrived, Seldom, Serve, keep_little};

/// The longest head of a request over HTTP/1.1, and how much of a body is read at once.
const MAX_HEAD: usize = 64 << 10;
/// Headers of a request.
const MAX_HEADERS: usize = 128;
/// Streams of one HTTP/2 connection.
const MAX_STREAMS: u32 = 256;
/// What a client may send ahead on a stream, and on a connection: what we hold for it at most. A few streams
/// that nobody reads must not take all of it, or the others would seem to stop sending.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// What we hold of an answer that a client does not read.
const MAX_SEND: usize = 256 << 10;
/// How long a handshake of TLS may take, and how long a connection may be silent at its start.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// How often a silent HTTP/2 connection is asked whether it is there.
const PING: Duration = Duration::from_secs(30);
/// How long a client that is idle may take to leave when it is asked to.
const FAREWELL: Duration = Duration::from_secs(2);

/// What serves a policy's connections.
pub struct Listener {
    live: Arc<ArcSwap<Live>>,
    tls: Option<ServerTls>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

impl Listener {
    /// Serves what is in force, which may change meanwhile.
    #[must_use]
    pub const fn new(live: Arc<ArcSwap<Live>>, tls: Option<ServerTls>) -> Self {
        Self { live, tls }
    }

    async fn run(self: Arc<Self>, arrived: Arrived) {
        let Arrived { stream, from, thread, drain } = arrived;
        keep_little(&stream);
        let live = self.live.load();
        let gauge = live.gate.metrics.ours.as_ref().map(|ours| Open::new(&ours.connections));
        let idle = live.gate.policy.timeouts.idle;
        drop(live);
        if !speaks(&stream, idle, &drain).await {
            return;
        }
        let client = Arc::new(Client::new(from.ip(), self.tls.is_some()));
        let tunnels = TaskTracker::new();
        let (live, pulse) = (Arc::clone(&self.live), Arc::<Pulse>::default());
        let stream = Noted::new(stream, Arc::clone(&pulse));
        let door = Door { live, client, thread, pulse, tunnels: tunnels.clone() };
        match &self.tls {
            None => serve(TokioIo::new(stream), door, idle, drain).await,
            Some(tls) => {
                if let Some(stream) = shake_hands(tls, stream).await {
                    serve(TokioIo::new(stream), door, idle, drain).await;
                }
            }
        }
        tunnels.close();
        tunnels.wait().await;
        drop(gauge);
    }
}

impl Serve for Listener {
    fn serve(self: Arc<Self>, arrived: Arrived) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.run(arrived))
    }
}

/// Agrees on TLS with the client; none where that does not come about.
async fn shake_hands(tls: &ServerTls, stream: Noted<TcpStream>) -> Option<TlsStream<Noted<TcpStream>>> {
    let config = tls.config().inspect_err(|error| tracing::debug!(%error, "there is no certificate")).ok()?;
    match tokio::time::timeout(FIRST_WORD, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}

/// Waits until the client says something: until then a connection costs a socket and little else.
async fn speaks(stream: &TcpStream, idle: Option<Duration>, drain: &CancellationToken) -> bool {
    let readable = async {
        match idle {
            Some(idle) => matches!(tokio::time::timeout(idle, stream.readable()).await, Ok(Ok(()))),
            None => stream.readable().await.is_ok(),
        }
    };
    tokio::select! {
        readable = readable => readable,
        () = drain.cancelled() => false,
    }
}

async fn serve<IO>(io: IO, door: Door, idle: Option<Duration>, drain: CancellationToken)
where
    IO: Read + Write + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // It begins with the wait for the next request, so it is the bound of an idle connection too.
        .header_read_timeout(idle)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_SEND)
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(PING);
    let (pulse, door) = (Arc::clone(&door.pulse), Arc::new(door));
    let over = Seldom::new(over(drain, Arc::clone(&pulse), idle));
    let service = service_fn(move |request| Arc::clone(&door).answer(request));
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        why = over => {
            connection.as_mut().graceful_shutdown();
            let farewell = match why {
                Over::Drained => None,
                Over::Cut => return,
                Over::Idle => Some(FAREWELL),
            };
            tokio::select! {
                ended = connection => ended,
                () = pulse.is_cut() => Ok(()),
                // A client that never stops talking uses up the task's budget, and a timer wants some.
                () = tokio::task::unconstrained(pulse.stops(farewell)) => Ok(()),
                () = tokio::task::unconstrained(pulse.watches(idle)) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection failed");
    }
}

/// Why a connection shall end.
enum Over {
    Drained,
    Cut,
    Idle,
}

/// Waits until a connection shall end.
async fn over(drain: CancellationToken, pulse: Arc<Pulse>, idle: Option<Duration>) -> Over {
    tokio::select! {
        () = drain.cancelled() => Over::Drained,
        () = pulse.is_cut() => Over::Cut,
        // As below: it must not want of the budget that the connection has used up.
        () = tokio::task::unconstrained(pulse.watches(idle)) => Over::Idle,
    }
}

/// Counts an open connection for as long as it lives.
struct Open(IntGauge);

impl Open {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
