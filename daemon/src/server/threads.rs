//! The threads behind the gRPC doors: one a core, each with a runtime of its own.
//!
//! A connection stays on the thread it was given to, so that answering a call wakes nobody and
//! shares nothing but the table. What must not wait behind calls (probes, metrics, JSON, peers,
//! timers) runs on the process's other runtime.

use std::io;
use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, MaxAge};
use super::grpc::Door;

/// Connections at once, over all listeners: beyond it, new ones wait to be accepted.
const MAX_CONNECTIONS: usize = 20_000;
/// How long accepting rests after the system has refused, as when it is out of descriptors.
const REST: Duration = Duration::from_millis(50);

/// A connection on its way to its thread.
struct Arrival {
    stream: StdStream,
    door: Arc<Door>,
    age: MaxAge,
    drain: CancellationToken,
    _place: Option<OwnedSemaphorePermit>,
}

/// The threads, and whose turn it is.
#[derive(Debug)]
pub struct Doors {
    queues: Vec<mpsc::UnboundedSender<Arrival>>,
    threads: Vec<JoinHandle<()>>,
    next: AtomicUsize,
    places: Arc<Semaphore>,
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
                .spawn(move || runtime.block_on(run(arrivals, cut)))?;
            queues.push(queue);
            handles.push(thread);
        }
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Ok(Self { queues, threads: handles, next: AtomicUsize::new(0), places, cut })
    }

    /// Accepts connections for `door` until `drain` is cancelled.
    pub async fn accept(
        &self,
        listener: TcpListener,
        door: Arc<Door>,
        age: MaxAge,
        drain: CancellationToken,
    ) {
        loop {
            let accept = async {
                // The semaphore is never closed.
                let place = Arc::clone(&self.places).acquire_owned().await.ok();
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                accepted = accept => accepted,
                () = drain.cancelled() => return,
            };
            let stream = match accepted.and_then(|(stream, _)| {
                tune(&stream)?;
                stream.into_std()
            }) {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.queues.len();
            let (door, drain) = (Arc::clone(&door), drain.clone());
            // A thread ends only after this.
            self.queues[turn].send(Arrival { stream, door, age, drain, _place: place }).ok();
        }
    }

    /// Waits for all connections to end, at most `grace`, then cuts what is left. Every accept must
    /// have been drained before.
    pub async fn close(self, grace: Duration) {
        let Self { queues, threads, cut, .. } = self;
        drop(queues);
        // Whoever stops waiting for this wants no connection to go on.
        let _cut = cut.clone().drop_guard();
        let join = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A thread that panicked has said so already.
                thread.join().ok();
            }
        });
        tokio::pin!(join);
        if tokio::time::timeout(grace, &mut join).await.is_err() {
            tracing::warn!(?grace, "calls did not end in time and are cut off");
            cut.cancel();
            join.await.ok();
        }
    }
}

/// Small answers leave at once, and callers who have vanished without a word are noticed: without
/// that, each keeps its place for ever.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

async fn run(mut arrivals: mpsc::UnboundedReceiver<Arrival>, cut: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(arrival) = arrivals.recv().await {
        let Arrival { stream, door, age, drain, _place } = arrival;
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken over");
                continue;
            }
        };
        let cut = cut.clone();
        connections.spawn(async move {
            tokio::select! {
                () = connection::serve(stream, door, age, drain) => {}
                () = cut.cancelled() => {}
            }
            drop(_place);
        });
    }
    connections.close();
    connections.wait().await;
}
