//! What every reconcile has at hand.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crds::reference::ObjectName;
use kube::{Client, core::ObjectMeta};

use crate::{
    backoff::Backoff, board::Board, cache::Caches, cluster::memory::Memory, cluster::validate::Environment,
    events::Events, ledger::Source, metrics::Metrics, policy::Spoken, reports::Reports, wake::Wakes,
};

/// An object as somebody wrote it: its uid and generation.
type State = (Option<String>, Option<i64>);

/// What every reconcile has at hand.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the operator was started with, as far as clusters depend on it.
    pub environment: Environment,
    /// What the watches have seen.
    pub caches: Caches,
    /// Verdicts on what is declared.
    pub board: Board,
    /// What the pods say.
    pub reports: Reports,
    /// Where people are told of changes.
    pub events: Events,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How long those that failed wait.
    pub backoff: Mutex<Backoff<String>>,
    /// Whom to reconcile next.
    pub wakes: Wakes,
    memories: Mutex<HashMap<ObjectName, Arc<tokio::sync::Mutex<Memory>>>>,
    declarations: AtomicU64,
    unreadable: Mutex<HashMap<Source, State>>,
    /// What was said of policies.
    pub spoken: Spoken,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// What a [`Context`] is made from.
pub(crate) struct Parts {
    /// The API server.
    pub client: Client,
    /// What the operator was started with.
    pub environment: Environment,
    /// What the watches fill.
    pub caches: Caches,
    /// What the pods say.
    pub reports: Reports,
    /// Where people are told.
    pub events: Events,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whom to reconcile next.
    pub wakes: Wakes,
}

impl Context {
    /// A context in which nothing has been reconciled yet.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { client, environment, caches, reports, events, metrics, wakes } = parts;
        Self {
            client,
            environment,
            caches,
            board: Board::default(),
            reports,
            events,
            metrics,
            backoff: Mutex::new(Backoff::default()),
            wakes,
            memories: Mutex::default(),
            declarations: AtomicU64::new(0),
            unreadable: Mutex::default(),
            spoken: Spoken::default(),
        }
    }

    /// What this process remembers of a cluster.
    #[must_use]
    pub fn memory(&self, cluster: &ObjectName) -> Arc<tokio::sync::Mutex<Memory>> {
        Arc::clone(lock(&self.memories).entry(cluster.clone()).or_default())
    }

    /// Forgets a cluster that is gone. Returns the objects that had a verdict of it.
    #[must_use]
    pub fn forget(&self, cluster: &ObjectName) -> Vec<Source> {
        lock(&self.memories).remove(cluster);
        self.reports.forget(cluster);
        self.board.forget(cluster)
    }

    /// Clusters that are remembered, and are there no more.
    #[must_use]
    pub fn clusters_gone(&self) -> Vec<ObjectName> {
        let there: HashSet<ObjectName> = self
            .caches
            .clusters
            .all()
            .iter()
            .map(|cluster| ObjectName::of(kube::Resource::meta(&**cluster)))
            .collect();
        lock(&self.memories).keys().filter(|name| !there.contains(*name)).cloned().collect()
    }

    /// A RateLimit, BackpressurePolicy or namespace has changed, and the caches have it: documents must be
    /// folded anew.
    pub fn declarations_changed(&self) {
        self.declarations.fetch_add(1, Ordering::AcqRel);
    }

    /// A number that differs whenever what is declared does.
    #[must_use]
    pub fn declarations(&self) -> u64 {
        self.declarations.load(Ordering::Acquire)
    }

    /// Notes that an object cannot be read as it is now. True where that is news.
    #[must_use]
    pub fn unreadable(&self, source: Source, meta: &ObjectMeta) -> bool {
        let now = (meta.uid.clone(), meta.generation);
        lock(&self.unreadable).insert(source, now.clone()) != Some(now)
    }

    /// Keeps of what is known of objects only that of those which are still there.
    pub fn still_there(&self, there: impl Fn(&Source) -> bool) {
        lock(&self.unreadable).retain(|source, _| there(source));
        self.spoken.keep(|policy| there(&Source::Policy(policy.clone())));
    }

    /// An object can be read.
    pub fn readable(&self, source: &Source) {
        lock(&self.unreadable).remove(source);
    }

    /// An object is gone.
    pub fn gone(&self, source: &Source) {
        self.readable(source);
        if let Source::Policy(name) = source {
            self.spoken.forget(name);
        }
    }
}

/// What a panic elsewhere left behind is whole: nothing here is changed in two steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
