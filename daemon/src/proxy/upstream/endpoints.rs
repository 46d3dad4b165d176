//! The addresses that answer now, and how each of them does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::clock;
use crate::proxy::policy::Balance;

/// How long an endpoint is passed over after it could not be connected to, in microseconds.
const PASS_OVER: u64 = 1_000_000;

/// One address that answers.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    in_flight: AtomicUsize,
    /// Until when it is passed over; 0 for not at all.
    down_until: AtomicU64,
    /// Whether it was last heard to speak HTTP/1.1 where it might have chosen HTTP/2.
    http1: AtomicBool,
    /// Whether it is no longer among those that answer.
    gone: AtomicBool,
}

impl Endpoint {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            in_flight: AtomicUsize::new(0),
            down_until: AtomicU64::new(0),
            http1: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that it has now, over all threads.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it is passed over for now.
    #[must_use]
    pub fn is_down(&self) -> bool {
        let until = self.down_until.load(Ordering::Relaxed);
        // The clock is only read where something went wrong not long ago.
        until != 0 && clock::tick().as_micros() < until
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    pub(super) fn went_down(&self) {
        self.pass_over();
    }

    pub(super) fn speaks_http1(&self) -> bool {
        self.http1.load(Ordering::Relaxed)
    }

    pub(super) fn spoke(&self, http1: bool) {
        self.http1.store(http1, Ordering::Relaxed);
    }

    pub(super) fn came_up(&self) {
        self.down_until.store(0, Ordering::Relaxed);
    }

    /// Who comes to an endpoint that was passed over tries it for all others, who pass it over on.
    fn is_tried(&self) {
        if self.down_until.load(Ordering::Relaxed) != 0 {
            self.pass_over();
        }
    }

    fn pass_over(&self) {
        self.down_until.store(clock::tick().as_micros().saturating_add(PASS_OVER), Ordering::Relaxed);
    }
}

/// A request's mark on its endpoint; gone when this is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Endpoint>);

impl InFlight {
    pub(super) fn at(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(endpoint))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who answers now. Clones share it.
#[derive(Clone, Debug)]
pub struct Endpoints(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    now: ArcSwap<Known>,
    asked: Notify,
    heard: Notify,
}

/// What is known, and what is wrong with it.
#[derive(Debug, Default)]
struct Known {
    list: Vec<Arc<Endpoint>>,
    trouble: Option<String>,
    /// Whether anything was heard of them yet, good or bad.
    heard: bool,
}

impl Endpoints {
    /// None yet, and why.
    #[must_use]
    pub fn none(trouble: &str) -> Self {
        let known = Known { list: Vec::new(), trouble: Some(trouble.to_owned()), heard: false };
        let (asked, heard) = (Notify::new(), Notify::new());
        Self(Arc::new(Shared { now: ArcSwap::from_pointee(known), asked, heard }))
    }

    /// These.
    #[must_use]
    pub fn fixed(addresses: &[SocketAddr]) -> Self {
        let endpoints = Self::none("");
        endpoints.set(addresses, None);
        endpoints
    }

    /// Takes these for those before; those that stay keep what is known of them.
    pub(super) fn set(&self, addresses: &[SocketAddr], trouble: Option<String>) {
        let before = self.0.now.load_full();
        let mut known: BTreeMap<_, _> =
            before.list.iter().map(|endpoint| (endpoint.address, Arc::clone(endpoint))).collect();
        let mut list: Vec<Arc<Endpoint>> = Vec::with_capacity(addresses.len());
        for address in addresses {
            let endpoint = known.remove(address).unwrap_or_else(|| Arc::new(Endpoint::new(*address)));
            list.push(endpoint);
        }
        for endpoint in known.into_values() {
            endpoint.gone.store(true, Ordering::Relaxed);
        }
        self.hear(Known { list, trouble, heard: true });
    }

    /// Keeps those that are known, and says what is wrong.
    pub(super) fn keep(&self, trouble: String) {
        let list = self.0.now.load().list.clone();
        self.hear(Known { list, trouble: Some(trouble), heard: true });
    }

    fn hear(&self, known: Known) {
        self.0.now.store(Arc::new(known));
        self.0.heard.notify_waiters();
    }

    /// Waits until something is heard of them for the first time.
    pub(super) async fn heard(&self) {
        let mut heard = std::pin::pin!(self.0.heard.notified());
        // What is heard from here on wakes it.
        heard.as_mut().enable();
        if !self.0.now.load().heard {
            heard.await;
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Endpoint>> {
        self.0.now.load().list.clone()
    }

    /// What is wrong with what is known: why there are none, or why those that are known may be old.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.now.load().trouble.clone()
    }

    /// The one whose turn it is, of those that were not `tried`; one that is passed over only where
    /// there is no other.
    pub(super) fn pick(&self, balance: Balance, turn: usize, tried: &[SocketAddr]) -> Option<Arc<Endpoint>> {
        let known = self.0.now.load();
        let (before, after) = known.list.split_at(turn.checked_rem(known.list.len())?);
        let mut best: Option<((bool, usize), &Arc<Endpoint>)> = None;
        for endpoint in after.iter().chain(before) {
            if !tried.is_empty() && tried.contains(&endpoint.address) {
                continue;
            }
            let load = match balance {
                Balance::RoundRobin => 0,
                Balance::LeastInFlight => endpoint.in_flight(),
            };
            let rank = (endpoint.is_down(), load);
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, endpoint));
                if rank == (false, 0) {
                    break;
                }
            }
        }
        let (_, endpoint) = best?;
        endpoint.is_tried();
        Some(Arc::clone(endpoint))
    }

    /// Asks for fresher addresses, soon.
    pub(super) fn ask_anew(&self) {
        self.0.asked.notify_one();
    }

    /// Waits until somebody asks for fresher addresses.
    pub(super) async fn asked(&self) {
        self.0.asked.notified().await;
    }
}
