//! The threads behind the doors, gRPC's and the proxy's: one a core, each with a runtime of its own.
//!
//! A connection stays on the thread it was given to, so that answering a call wakes nobody and
//! shares nothing but the table. What must not wait behind calls (probes, metrics, JSON, peers,
//! timers) runs on the process's other runtime.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::seldom::Seldom;
use arc_swap::ArcSwapOption;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long accepting rests after the system has refused, as when it is out of descriptors.
const REST: Duration = Duration::from_millis(50);
/// What a socket keeps that it has not sent, where it is to keep little: enough for a network to be busy.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 << 10;

/// What serves the connections of a listener.
pub trait Serve: Send + Sync + 'static {
    /// Serves one until its caller leaves, or until its `drain` is cancelled and what is under way is
    /// answered.
    fn serve(self: Arc<Self>, arrived: Arrived) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Arrived {
    /// The connection.
    pub stream: TcpStream,
    /// Who is at its other end.
    pub from: SocketAddr,
    /// Which of the threads it lives on, from 0.
    pub thread: usize,
    /// Says when its listener is closing.
    pub drain: CancellationToken,
}

/// A connection on its way to its thread.
struct Arrival {
    stream: StdStream,
    from: SocketAddr,
    serve: Arc<dyn Serve>,
    drain: CancellationToken,
    _place: Option<OwnedSemaphorePermit>,
}

type Queues = Vec<mpsc::UnboundedSender<Arrival>>;

/// The threads, and whose turn it is.
#[derive(Debug)]
pub struct Doors {
    /// None once they are closed.
    queues: ArcSwapOption<Queues>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    count: usize,
    next: AtomicUsize,
    cut: CancellationToken,
}

impl Doors {
    /// Starts `threads` threads (at least one).
    ///
    /// # Errors
    /// Where the system has none to give.
    pub fn new(threads: usize) -> io::Result<Self> {
        let cut = CancellationToken::new();
        let (mut queues, mut handles) = (Vec::new(), Vec::new());
        for nth in 0..threads.max(1) {
            // Bounded by the places that each arrival holds.
            let (queue, arrivals) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let cut = cut.clone();
            let thread = std::thread::Builder::new()
                .name(format!("door-{nth}"))
                .spawn(move || runtime.block_on(run(arrivals, nth, cut)))?;
            queues.push(queue);
            handles.push(thread);
        }
        Ok(Self {
            count: queues.len(),
            queues: ArcSwapOption::from_pointee(queues),
            threads: Mutex::new(handles),
            next: AtomicUsize::new(0),
            cut,
        })
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Accepts connections for `serve` until `drain` is cancelled. Each takes one of `places`; where
    /// there is none, new ones wait to be accepted.
    pub async fn accept(
        &self,
        listener: TcpListener,
        serve: Arc<dyn Serve>,
        places: Arc<Semaphore>,
        drain: CancellationToken,
    ) {
        loop {
            let accept = async {
                // The semaphore is never closed.
                let place = Arc::clone(&places).acquire_owned().await.ok();
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                accepted = accept => accepted,
                () = drain.cancelled() => return,
            };
            let (stream, from) = match accepted.and_then(|(stream, from)| {
                tune(&stream)?;
                Ok((stream.into_std()?, from))
            }) {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let Some(queues) = &*self.queues.load() else { return };
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % queues.len();
            let (serve, drain) = (Arc::clone(&serve), drain.clone());
            // A thread ends only after this.
            queues[turn].send(Arrival { stream, from, serve, drain, _place: place }).ok();
        }
    }

    /// Waits for all connections to end, at most `grace`, then cuts what is left. Every accept must
    /// have been drained before.
    pub async fn close(&self, grace: Duration) {
        self.queues.store(None);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // Whoever stops waiting for this wants no connection to go on.
        let _cut = self.cut.clone().drop_guard();
        let join = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A thread that panicked has said so already.
                thread.join().ok();
            }
        });
        tokio::pin!(join);
        if tokio::time::timeout(grace, &mut join).await.is_err() {
            tracing::warn!(?grace, "calls did not end in time and are cut off");
            self.cut.cancel();
            join.await.ok();
        }
    }
}

/// Small answers leave at once, and callers who have vanished without a word are noticed: without
/// that, each keeps its place for ever.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Has the system keep little that it has not sent, so that a socket which takes more tells of a client that
/// reads. Left alone it keeps megabytes, and takes more only once a third of them is gone: minutes, for a slow
/// one. A system that cannot do it serves all the same.
#[cfg(target_os = "linux")]
pub(crate) fn keep_little(stream: &TcpStream) {
    if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "the system keeps as much of an answer as it likes");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn keep_little(_: &TcpStream) {}

async fn run(mut arrivals: mpsc::UnboundedReceiver<Arrival>, thread: usize, cut: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(arrival) = arrivals.recv().await {
        let Arrival { stream, from, serve, drain, _place } = arrival;
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken over");
                continue;
            }
        };
        let cut = Seldom::new(cut.clone().cancelled_owned());
        connections.spawn(async move {
            tokio::select! {
                () = serve.serve(Arrived { stream, from, thread, drain }) => {}
                () = cut => {}
            }
            drop(_place);
        });
    }
    connections.close();
    connections.wait().await;
}
