//! One thread's connections that are not in use.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Outgoing;
use super::http1::Connection;

/// Idle connections, and who waits for one.
pub(super) struct Lanes<B: Outgoing> {
    idle: HashMap<SocketAddr, Vec<Idle<B>>>,
    waiting: VecDeque<oneshot::Sender<Connection<B>>>,
    /// Whether a task looks after what is idle.
    pub(super) swept: bool,
}

struct Idle<B: Outgoing> {
    connection: Connection<B>,
    since: Instant,
}

impl<B: Outgoing> Default for Lanes<B> {
    fn default() -> Self {
        Self { idle: HashMap::new(), waiting: VecDeque::new(), swept: false }
    }
}

impl<B: Outgoing> Lanes<B> {
    /// The one that was used last: others come to be idle for long, and are closed.
    pub(super) fn take(&mut self, endpoint: SocketAddr) -> Option<Connection<B>> {
        self.idle.get_mut(&endpoint)?.pop().map(|idle| idle.connection)
    }

    /// Any; the one that has been idle longest of some endpoint.
    pub(super) fn take_any(&mut self) -> Option<Connection<B>> {
        let lane = self.idle.values_mut().find(|lane| !lane.is_empty())?;
        Some(lane.remove(0).connection)
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

    /// Takes out what has been idle too long, is closed, or belongs to an endpoint that is gone.
    pub(super) fn sweep(&mut self, now: Instant, timeout: Option<Duration>) -> Vec<Connection<B>> {
        let mut swept = Vec::new();
        for lane in self.idle.values_mut() {
            let old = |idle: &Idle<B>| {
                timeout.is_some_and(|timeout| now.saturating_duration_since(idle.since) >= timeout)
            };
            let done = |idle: &mut Idle<B>| {
                old(idle) || idle.connection.endpoint().is_gone() || !idle.connection.is_usable()
            };
            swept.extend(lane.extract_if(.., |idle| done(idle)).map(|idle| idle.connection));
        }
        self.idle.retain(|_, lane| !lane.is_empty());
        swept
    }

    /// How many are idle.
    pub(super) fn len(&self) -> usize {
        self.idle.values().map(Vec::len).sum()
    }
}
