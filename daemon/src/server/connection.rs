//! One HTTP/2 connection of gRPC calls, driven by one task.
//!
//! A call whose message has arrived whole and whose answer needs nobody else is answered where it
//! is read: no task, no channel, no wake-up. All streams that one read of the socket brought are
//! answered before the connection is polled again, so that their answers leave in one write. What
//! must wait (a slow body, another node) waits beside the others in the same task.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::Connection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::call::{self, Step};
use super::grpc::Door;
use super::shared::Shared;
use super::threads::{Arrived, Serve};

/// How much a caller may send ahead on one stream and on the connection. The largest message with
/// its prefix fits into its stream's window, and a few of them into the connection's.
const STREAM_WINDOW: u32 = (1 << 20) + (1 << 10);
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Calls answered before what they brought forth is written, and rounds of those before others on
/// the same thread get their turn.
const ROUND: usize = 64;
const ROUNDS: usize = 4;
/// Calls under way on one connection: what one caller can make us hold.
const MAX_STREAMS: u32 = 512;
/// Bytes of request headers.
const MAX_HEADERS: u32 = 16 << 10;
/// How long a caller may take to say that it speaks HTTP/2.
const PREFACE: Duration = Duration::from_secs(10);

/// When a connection is asked to end, and how long it may then take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxAge(pub Option<Duration>);

/// A gRPC listener's connections.
#[derive(Debug)]
pub struct GrpcDoor {
    /// What is served on it.
    pub door: Arc<Door>,
    /// How long a connection may last.
    pub age: MaxAge,
}

impl Serve for GrpcDoor {
    fn serve(self: Arc<Self>, arrived: Arrived) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let Arrived { stream, drain, .. } = arrived;
        Box::pin(serve(stream, Arc::clone(&self.door), self.age, drain))
    }
}

/// A call that could not be answered at once.
type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves `io` until the caller leaves, or until `drain` is cancelled and the calls under way are
/// answered.
pub(super) async fn serve<IO>(io: IO, door: Arc<Door>, age: MaxAge, drain: CancellationToken)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .handshake::<_, Bytes>(io);
    let mut connection = match tokio::time::timeout(PREFACE, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "not HTTP/2"),
        Err(_) => return tracing::debug!("no HTTP/2 preface in time"),
    };
    let mut drained = pin!(drain.clone().cancelled_owned());
    let mut calls =
        Calls { door, shared: Shared::new(drain), waiting: FuturesUnordered::new(), arrived: Vec::new() };
    let mut aged = pin!(sleep_or_never(age.0));
    let mut cut = pin!(sleep_or_never(age.0.map(|age| age.saturating_mul(2))));
    let mut leaving = false;
    poll_fn(|cx| {
        if !leaving && (drained.as_mut().poll(cx).is_ready() || aged.as_mut().poll(cx).is_ready()) {
            leaving = true;
            connection.graceful_shutdown();
        }
        if cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        calls.poll(&mut connection, cx)
    })
    .await;
}

async fn sleep_or_never(after: Option<Duration>) {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
}

struct Calls {
    door: Arc<Door>,
    shared: Shared,
    waiting: FuturesUnordered<Waiting>,
    arrived: Vec<call::Arrived>,
}

impl Calls {
    fn poll<IO>(&mut self, connection: &mut Connection<IO, Bytes>, cx: &mut Context<'_>) -> Poll<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        for _ in 0..ROUNDS {
            // Polling reads what has come and writes what has been answered.
            let open = loop {
                if self.arrived.len() == ROUND {
                    break true;
                }
                match connection.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, respond)))) => {
                        self.arrived.push(call::Arrived { request, respond });
                    }
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(%error, "connection failed");
                        break false;
                    }
                    Poll::Ready(None) => break false,
                    Poll::Pending => break true,
                }
            };
            if !open {
                return Poll::Ready(());
            }
            let mut answered = !self.arrived.is_empty();
            for arrived in self.arrived.drain(..) {
                if let Step::Wait(call) = call::start(&self.door, arrived, &self.shared, cx) {
                    self.waiting.push(call);
                }
            }
            while let Poll::Ready(Some(())) = self.waiting.poll_next_unpin(cx) {
                answered = true;
            }
            if !answered {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
