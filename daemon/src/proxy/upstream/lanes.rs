//! One thread's connections that can take a request.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use super::Outgoing;
use super::http1::Connection;
use super::http2::{Shared, Stream};

/// Idle connections and shared ones, and who waits for one.
pub(super) struct Lanes<B: Outgoing> {
    idle: HashMap<SocketAddr, Vec<Idle<B>>>,
    shared: HashMap<SocketAddr, Vec<Shared<B>>>,
    gates: HashMap<SocketAddr, Arc<Mutex<()>>>,
    waiting: VecDeque<oneshot::Sender<Connection<B>>>,
    /// Whether a task looks after all this.
    pub(super) swept: bool,
}

struct Idle<B: Outgoing> {
    connection: Connection<B>,
    since: Instant,
}

impl<B: Outgoing> Default for Lanes<B> {
    fn default() -> Self {
        Self {
            idle: HashMap::new(),
            shared: HashMap::new(),
            gates: HashMap::new(),
            waiting: VecDeque::new(),
            swept: false,
        }
    }
}

impl<B: Outgoing> Lanes<B> {
    /// The one that was used last: others come to be idle for long, and are closed.
    pub(super) fn take(&mut self, endpoint: SocketAddr) -> Option<Connection<B>> {
        self.idle.get_mut(&endpoint)?.pop().map(|idle| idle.connection)
    }

    /// A stream on the connection with the fewest; on one that has all it takes only where that `will_do`.
    pub(super) fn stream(&mut self, endpoint: SocketAddr, will_do: bool) -> Option<Stream<B>> {
        let lane = self.shared.get_mut(&endpoint)?;
        lane.retain(Shared::is_usable);
        let least = lane.iter().min_by_key(|shared| shared.open())?;
        (will_do || !least.is_full()).then(|| least.stream())
    }

    /// Keeps a connection that many requests share.
    pub(super) fn share(&mut self, shared: Shared<B>) {
        self.shared.entry(shared.endpoint().address()).or_default().push(shared);
    }

    /// Held by who opens a connection that others wait for, to share it.
    pub(super) fn gate(&mut self, endpoint: SocketAddr) -> Arc<Mutex<()>> {
        Arc::clone(self.gates.entry(endpoint).or_default())
    }

    /// Gives up one connection on which nothing is asked; whether there was one.
    pub(super) fn give_up_one(&mut self) -> bool {
        if let Some(lane) = self.idle.values_mut().find(|lane| !lane.is_empty()) {
            // The one that has been idle longest.
            lane.remove(0);
            return true;
        }
        let mut quiet = self.shared.values_mut();
        quiet.any(|lane| match lane.iter().position(|shared| shared.open() == 0) {
            Some(nth) => {
                lane.swap_remove(nth);
                true
            }
            None => false,
        })
    }

    /// Keeps a connection.
    pub(super) fn put(&mut self, connection: Connection<B>, since: Instant) {
        let lane = self.idle.entry(connection.endpoint().address()).or_default();
        lane.push(Idle { connection, since });
    }

    /// Gives a connection to who has waited longest; back where nobody waits.
    pub(super) fn serve(&mut self, mut connection: Connection<B>) -> Option<Connection<B>> {
        while let Some(next) = self.waiting.pop_front() {
            match next.send(connection) {
                Ok(()) => return None,
                Err(back) => connection = back,
            }
        }
        Some(connection)
    }

    /// Waits for a connection of this thread.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<Connection<B>> {
        self.waiting.retain(|waiting| !waiting.is_closed());
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back(sender);
        receiver
    }

    /// Closes what has been idle too long, is closed, or belongs to an endpoint that is gone. Whether there
    /// is anything left to look after.
    pub(super) fn sweep(&mut self, now: Instant, timeout: Option<Duration>) -> bool {
        let old =
            |since: Instant| timeout.is_some_and(|timeout| now.saturating_duration_since(since) >= timeout);
        for lane in self.idle.values_mut() {
            lane.retain_mut(|idle| {
                let wanted = !old(idle.since) && !idle.connection.endpoint().is_gone();
                wanted && idle.connection.is_usable()
            });
        }
        for lane in self.shared.values_mut() {
            lane.retain_mut(|shared| {
                if shared.open() > 0 {
                    shared.idle_since = None;
                    return shared.is_usable();
                }
                shared.is_usable() && !old(*shared.idle_since.get_or_insert(now))
            });
        }
        self.idle.retain(|_, lane| !lane.is_empty());
        self.shared.retain(|_, lane| !lane.is_empty());
        self.gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        !self.idle.is_empty() || !self.shared.is_empty()
    }

    /// How many are idle.
    pub(super) fn len(&self) -> usize {
        self.idle.values().map(Vec::len).sum()
    }
}
