//! An upstream for a proxy to forward to: it speaks HTTP/1.1 and HTTP/2, does what a request's path says,
//! and remembers whom it has seen.
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the request's body and trailers, as they come |
//! | `/count` | 200 with how many bytes the body had, its trailers as headers |
//! | `/hold` | `held`, once [`Upstream::release`] was called |
//! | `/early` | `first` at once, `last` after the release |
//! | `/brief/N` | `hello` after N milliseconds |
//! | `/zeros/N` | N zeros, of unknown length |
//! | `/status/N` | that status, without a body |
//! | `/break` | 10 of the 1000 bytes that were promised |
//! | `/break-chunked` | 10 bytes, and no end |
//! | `/trailers` | `body`, and the trailer `x-sum: 42` |
//! | `/upgrade` | 101, and whatever is sent comes back |
//! | any with method CONNECT | 200, and whatever is sent comes back |
//! | `/grpc.Echo/Call` | the request's messages, `grpc-status: 0` and a message as trailers |
//! | `/grpc.Fail/Call` | `grpc-status: 14` without a message |
//! | all else | 200 with `hello` |

mod answers;
mod raw;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method, Request, Uri, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

pub use self::raw::Recorder;
use crate::speak::Stream;

/// A request as the upstream saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its address, as it came.
    pub uri: Uri,
    /// Its version.
    pub version: Version,
    /// Its headers.
    pub headers: HeaderMap,
    /// The connection that it came on, counted from 0.
    pub connection: usize,
}

impl Seen {
    /// All values of a header.
    ///
    /// # Panics
    /// When one is no text.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("a text")).collect()
    }
}

/// A running upstream; it ends with all its connections when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    at: SocketAddr,
    state: Arc<State>,
    _task: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    /// Bodies that did not end well.
    broken: AtomicUsize,
    /// Requests whose answer has not begun, and how many these were at the most.
    now: AtomicUsize,
    most: AtomicUsize,
    released: watch::Sender<bool>,
}

impl Upstream {
    /// Starts one on a port that the system chooses.
    ///
    /// # Panics
    /// When the system has none.
    pub async fn start() -> Self {
        Self::speaking(None).await
    }

    /// Starts one that speaks TLS.
    ///
    /// # Panics
    /// When the system has no port.
    pub async fn start_tls(config: ServerConfig) -> Self {
        Self::speaking(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn speaking(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("a bound port's address");
        let state = Arc::new(State {
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            released: watch::Sender::new(false),
        });
        let mut task = JoinSet::new();
        task.spawn(accept(listener, tls, Arc::clone(&state)));
        Self { at, state, _task: task }
    }

    /// Where it listens.
    pub const fn at(&self) -> SocketAddr {
        self.at
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen().clone()
    }

    /// The only request so far.
    ///
    /// # Panics
    /// When there were none, or others.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "one request reaches the upstream: {seen:?}");
        seen[0].clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// How many requests' bodies broke off.
    pub fn broken(&self) -> usize {
        self.state.broken.load(Ordering::SeqCst)
    }

    /// How many requests at most waited for the beginning of their answers at once.
    pub fn most(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// Lets those go on that wait for it, now and later.
    pub fn release(&self) {
        self.state.released.send_replace(true);
    }

    /// Makes later ones wait again.
    pub fn hold(&self) {
        self.state.released.send_replace(false);
    }
}

impl State {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn released(self: &Arc<Self>) {
        // The sender lives as long as this.
        let mut released = self.released.subscribe();
        let _released = released.wait_for(|released| *released).await;
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let connection = state.connections.fetch_add(1, Ordering::SeqCst);
        let _slow_is_fine = stream.set_nodelay(true);
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        connections.spawn(async move {
            match tls {
                None => serve(stream, connection, state).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, connection, state).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: impl Stream, connection: usize, state: Arc<State>) {
    let _open = Count::one_more(&state.open);
    let service = service_fn(|request: Request<Incoming>| {
        let state = Arc::clone(&state);
        async move {
            state.seen().push(Seen {
                method: request.method().clone(),
                uri: request.uri().clone(),
                version: request.version(),
                headers: request.headers().clone(),
                connection,
            });
            let (_now, now) = Count::one_more(&state.now);
            state.most.fetch_max(now, Ordering::SeqCst);
            Ok::<_, Infallible>(answers::answer(request, &state).await)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_headers(512);
    let _broken_off = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

/// One of those that are counted, until this is dropped.
struct Count<'a>(&'a AtomicUsize);

impl<'a> Count<'a> {
    /// Counts one more, and says how many there are with it.
    fn one_more(count: &'a AtomicUsize) -> (Self, usize) {
        let now = count.fetch_add(1, Ordering::SeqCst) + 1;
        (Self(count), now)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
