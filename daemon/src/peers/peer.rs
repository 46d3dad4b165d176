//! The post room: items for one other node, gathered while it is busy and sent together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::{Batch, Tick};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tonic::{Code, Status};

use super::client::{AskError, Client};
use crate::clock;
use crate::metrics::PeerMetrics;
use crate::settings::Batching;
use crate::wire::{MAX_MESSAGE_BYTES, split};

/// Items that may wait for one node before more are refused, and bytes: what it can clear in its
/// timeout.
const CAPACITY: usize = 20_000;
const CAPACITY_BYTES: usize = 32 << 20;
/// Calls to one node at once. With all of them out the node is stuck, and more calls only add to
/// what it has to clear.
const MAX_CALLS: usize = 16;
/// How long a failure makes the node's health say so.
const FAILURE_SHOWS: Duration = Duration::from_secs(30);

/// Items of one caller's batch that this node owns.
#[derive(Debug)]
struct Ask {
    /// Encoded as the body of a GetPeerRateLimitsReq.
    records: Vec<u8>,
    items: usize,
    reply: oneshot::Sender<Result<Bytes, AskError>>,
}

/// Another node of the ring.
#[derive(Debug)]
pub struct Peer {
    address: Arc<str>,
    dial: String,
    queue: mpsc::Sender<Ask>,
    client: Client,
    batching: Batching,
    metrics: PeerMetrics,
    failures: Failures,
}

/// What went wrong last, and when. Clones note into the same place.
#[derive(Clone, Debug, Default)]
struct Failures(Arc<Mutex<Option<(Tick, String)>>>);

impl Failures {
    fn note(&self, error: &AskError) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((clock::tick(), error.status().message().to_owned()));
    }

    fn recent(&self) -> Option<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, text) = last.as_ref()?;
        let shows = u64::try_from(FAILURE_SHOWS.as_micros()).unwrap_or(u64::MAX);
        (clock::tick() < at.saturating_add(shows)).then(|| text.clone())
    }
}

impl Peer {
    /// Another node, known on the ring as `address` and reached at `dial`, and the task that sends to
    /// it: it ends when the peer is dropped and what is under way has come back.
    ///
    /// # Errors
    /// Where `dial` is no `host:port`.
    pub fn new(
        address: &str,
        dial: &str,
        batching: Batching,
        metrics: PeerMetrics,
    ) -> Result<(Self, impl Future<Output = ()> + Send + use<>), tonic::transport::Error> {
        let client = Client::new(dial, batching.timeout)?;
        let (queue, asks) = mpsc::channel(CAPACITY);
        let failures = Failures::default();
        let sender =
            Sender { client: client.clone(), batching, metrics: metrics.clone(), failures: failures.clone() };
        let (address, dial) = (address.into(), dial.to_owned());
        let peer = Self { address, dial, queue, client, batching, metrics, failures };
        Ok((peer, sender.run(asks)))
    }

    /// Its name on the ring.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where its PeersV1 listens.
    #[must_use]
    pub fn dial(&self) -> &str {
        &self.dial
    }

    /// Has the node decide `items` encoded items: with others in a batch, or `alone` in a call of
    /// their own. The answer is `items` records of a GetPeerRateLimitsResp.
    ///
    /// # Errors
    /// Where it gave no answer in time.
    pub async fn ask(
        &self,
        records: Vec<u8>,
        items: usize,
        alone: bool,
        timeout: Option<Duration>,
    ) -> Result<Bytes, AskError> {
        if !alone {
            return self.ask_batched(records, items, timeout).await;
        }
        let own = self.batching.timeout;
        let answer = self.client.get_peer_rate_limits(records.into(), timeout.unwrap_or(own)).await;
        let answer = answer.and_then(|answer| one_each(answer, items));
        // That a caller had less patience than we have is no failure of the node.
        let hasty = timeout.is_some_and(|timeout| timeout < own);
        match &answer {
            Err(error) if !hasty || error.status().code() != Code::DeadlineExceeded => {
                self.failures.note(error);
            }
            _ => {}
        }
        answer
    }

    /// Whether a group of so many items and bytes may still grow by one more.
    #[must_use]
    pub const fn has_room(&self, items: usize, bytes: usize) -> bool {
        items < self.batching.limit && bytes <= MAX_MESSAGE_BYTES
    }

    /// Counts items that look for another node, since this one could not be reached.
    pub fn count_retries(&self, items: usize) {
        self.metrics.retries.inc_by(items as u64);
    }

    /// What went wrong with the node of late, if anything did.
    #[must_use]
    pub fn recent_failure(&self) -> Option<String> {
        self.failures.recent()
    }

    async fn ask_batched(
        &self,
        records: Vec<u8>,
        items: usize,
        timeout: Option<Duration>,
    ) -> Result<Bytes, AskError> {
        let (reply, answer) = oneshot::channel();
        let busy = |_| AskError::NotSent(Status::resource_exhausted("the queue to the peer is full"));
        self.queue.try_send(Ask { records, items, reply }).map_err(busy)?;
        let gone = |_| AskError::Unknown(Status::cancelled("grpc: the client connection is closing"));
        match timeout {
            None => answer.await.map_err(gone)?,
            Some(timeout) => {
                let late = |_| AskError::Unknown(Status::deadline_exceeded("context deadline exceeded"));
                tokio::time::timeout(timeout, answer).await.map_err(late)?.map_err(gone)?
            }
        }
    }
}

/// Checks that there is an answer for each item.
fn one_each(answer: Bytes, items: usize) -> Result<Bytes, AskError> {
    match split(&answer, [items]) {
        Some(_) => Ok(answer),
        None => Err(wrong_size()),
    }
}

fn wrong_size() -> AskError {
    AskError::Mismatch(Status::internal("server responded with incorrect rate limit list size"))
}

/// The task behind a [`Peer`].
struct Sender {
    client: Client,
    batching: Batching,
    metrics: PeerMetrics,
    failures: Failures,
}

impl Sender {
    async fn run(self, mut asks: mpsc::Receiver<Ask>) {
        let wait = u64::try_from(self.batching.wait.as_micros()).unwrap_or(u64::MAX);
        let mut batch = Batch::new(self.batching.limit, wait, CAPACITY);
        let mut calls = FuturesUnordered::new();
        let (mut open, mut bytes) = (true, 0);
        while open || !batch.is_empty() || !calls.is_empty() {
            while calls.len() < MAX_CALLS
                && let Some(due) = batch.poll_flush(clock::tick())
            {
                bytes -= due.iter().map(|ask: &Ask| ask.records.len()).sum::<usize>();
                calls.push(self.send(due));
            }
            self.metrics.queue_length.set(i64::try_from(batch.len()).unwrap_or(i64::MAX));
            let wake = batch.poll_timeout().filter(|_| calls.len() < MAX_CALLS);
            tokio::select! {
                ask = asks.recv(), if open => {
                    let mut next = ask;
                    open = next.is_some();
                    while let Some(ask) = next {
                        let (items, len) = (ask.items, ask.records.len());
                        let refused = if bytes + len > CAPACITY_BYTES {
                            Some(ask)
                        } else {
                            batch.push(ask, items, clock::tick()).err().map(|full| full.0)
                        };
                        match refused {
                            Some(ask) => {
                                let status = Status::resource_exhausted("the queue to the peer is full");
                                ask.reply.send(Err(AskError::NotSent(status))).ok();
                            }
                            None => bytes += len,
                        }
                        next = asks.try_recv().ok();
                    }
                }
                Some(()) = calls.next(), if !calls.is_empty() => batch.handle_done(),
                () = clock::sleep_until(wake), if wake.is_some() => {}
            }
        }
    }

    /// Sends what is due, in as many calls as its bytes need, and hands out the answers.
    async fn send(&self, due: Vec<Ask>) {
        let mut calls: Vec<Vec<Ask>> = Vec::with_capacity(1);
        let mut bytes = usize::MAX;
        for ask in due {
            bytes = bytes.saturating_add(ask.records.len());
            match calls.last_mut() {
                Some(call) if bytes <= MAX_MESSAGE_BYTES => call.push(ask),
                _ => {
                    bytes = ask.records.len();
                    calls.push(vec![ask]);
                }
            }
        }
        join_all(calls.into_iter().map(|asks| self.send_one(asks))).await;
    }

    async fn send_one(&self, mut asks: Vec<Ask>) {
        // A caller that has left wants no answer, and its hits are not counted yet.
        asks.retain(|ask| !ask.reply.is_closed());
        if asks.is_empty() {
            return;
        }
        let started = clock::tick();
        let request = match asks.as_mut_slice() {
            [only] => std::mem::take(&mut only.records),
            several => several.iter().flat_map(|ask| ask.records.iter().copied()).collect(),
        };
        let answer = self.client.get_peer_rate_limits(request.into(), self.batching.timeout).await;
        let took = clock::between(started, clock::tick()).as_secs_f64();
        self.metrics.send_duration.observe(took);
        self.metrics.send_batch.observe(took);
        let parts = answer.and_then(|answer| {
            let ranges = split(&answer, asks.iter().map(|ask| ask.items)).ok_or_else(wrong_size)?;
            Ok(ranges.into_iter().map(|range| answer.slice(range)).collect::<Vec<_>>())
        });
        match parts {
            Ok(parts) => {
                for (ask, part) in asks.into_iter().zip(parts) {
                    ask.reply.send(Ok(part)).ok();
                }
            }
            Err(error) => {
                self.failures.note(&error);
                for ask in asks {
                    ask.reply.send(Err(error.clone())).ok();
                }
            }
        }
    }
}
