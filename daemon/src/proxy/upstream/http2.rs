//! HTTP/2 connections, which many requests share.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use super::connect::Io;
use super::endpoints::Endpoint;
use super::{Outgoing, Place, UpstreamError, Was};

/// How much of an answer may be under way, on a stream and on a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// How often a connection with requests on it is asked whether it is still there, and how long it may
/// take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(20);

/// A connection.
pub(super) struct Shared<B> {
    sender: SendRequest<B>,
    load: Arc<Load>,
    endpoint: Arc<Endpoint>,
    /// Since when there is nothing on it, as the last sweep saw it.
    pub(super) idle_since: Option<Instant>,
}

/// Streams that are open, and that may be.
#[derive(Debug)]
struct Load {
    open: AtomicUsize,
    most: AtomicUsize,
    /// Whether a stream has ended, and so the other side has said how many it takes.
    heard: AtomicBool,
    driver: AtomicWaker,
}

/// A request's stream.
pub(super) struct Stream<B> {
    sender: SendRequest<B>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) mark: Mark,
}

/// A stream's mark on its connection; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Mark(Arc<Load>);

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        // The first answer comes after the settings.
        if !self.0.heard.swap(true, Ordering::Relaxed) {
            self.0.driver.wake();
        }
    }
}

impl<B: Outgoing> Shared<B> {
    /// Speaks HTTP/2 over `io`. The place is held until the connection has ended.
    pub(super) async fn new(io: Io, endpoint: &Arc<Endpoint>, place: Place) -> Result<Self, UpstreamError> {
        let (sender, mut driver) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .handshake(io)
            .await
            .map_err(|fault| UpstreamError::of(endpoint.address(), Was::Unsent, fault))?;
        let most = driver.current_max_send_streams().max(1);
        let load = Arc::new(Load {
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
            heard: AtomicBool::new(false),
            driver: AtomicWaker::new(),
        });
        let seen = Arc::clone(&load);
        tokio::spawn(async move {
            let _place = place;
            let ended = std::future::poll_fn(|cx| {
                let polled = Pin::new(&mut driver).poll(cx);
                if polled.is_pending() {
                    // The other side says how many streams it takes, before its first answer, and may say
                    // so again. Nobody wakes us for that, but each request does.
                    seen.most.store(driver.current_max_send_streams(), Ordering::Relaxed);
                    if !seen.heard.load(Ordering::Relaxed) {
                        seen.driver.register(cx.waker());
                    }
                }
                polled
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "a connection to an upstream ended");
            }
        });
        Ok(Self { sender, load, endpoint: Arc::clone(endpoint), idle_since: None })
    }

    pub(super) const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.endpoint.is_gone()
    }

    pub(super) fn open(&self) -> usize {
        self.load.open.load(Ordering::Relaxed)
    }

    pub(super) fn is_full(&self) -> bool {
        self.open() >= self.load.most.load(Ordering::Relaxed)
    }

    /// A stream for one request.
    pub(super) fn stream(&self) -> Stream<B> {
        self.load.open.fetch_add(1, Ordering::Relaxed);
        Stream {
            sender: self.sender.clone(),
            endpoint: Arc::clone(&self.endpoint),
            mark: Mark(Arc::clone(&self.load)),
        }
    }
}

impl<B: Outgoing> Stream<B> {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        self.sender.try_send_request(request).await
    }
}
