//! The policies of one daemon, running: what is declared is brought into force while traffic flows.
//!
//! A policy that stays keeps its windows, its signals' values and the requests in flight, whatever else
//! changes of it. Its listener stays open unless its own address or certificate is another.

mod listening;
mod running;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crds::decimal::Decimal;
use crds::reference::ObjectName;
use crds::report::PolicyReport;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::running::Running;
use super::policy::Policy;
use super::secrets::Secrets;
use super::signals::Asker;
use super::upstream::ResolveContext;
use crate::metrics::ProxyFamilies;
use crate::node::Node;
use crate::server::Doors;

/// What policies run in.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "what follows the cluster has none")]
pub struct Surroundings {
    /// The threads that connections live on.
    pub doors: Arc<Doors>,
    /// The host of listeners whose policy names none; empty for every interface.
    pub host: String,
    /// Who decides rate limits.
    pub node: Option<Arc<Node>>,
    /// What is counted.
    pub families: ProxyFamilies,
    /// What policies name.
    pub secrets: Secrets,
    /// How upstreams are found.
    pub resolve: ResolveContext,
    /// Says when nothing more is accepted.
    pub drain: CancellationToken,
    /// What must have ended before the process does.
    pub tasks: TaskTracker,
}

/// Which part of the cluster's windows is this daemon's: of so many pods, the one at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Pods that share.
    pub pods: u32,
    /// This one's place among them, from 0.
    pub place: u32,
}

impl Part {
    /// All of it.
    pub const WHOLE: Self = Self { pods: 1, place: 0 };
}

/// All policies of a daemon.
pub struct Fleet {
    surroundings: Surroundings,
    asker: Asker,
    /// Held by whoever changes what runs, so that changes come one after the other.
    changing: AsyncMutex<()>,
    running: Mutex<BTreeMap<ObjectName, Running>>,
    part: Mutex<Part>,
    /// What is reported while a change is under way.
    before: Mutex<Option<Vec<PolicyReport>>>,
    /// Policies that make no sense to this version, and why.
    refused: Mutex<Vec<(ObjectName, String)>>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}

impl Fleet {
    /// Without policies.
    #[must_use]
    pub fn new(surroundings: Surroundings) -> Self {
        Self {
            asker: Asker::new(surroundings.secrets.clone()),
            surroundings,
            changing: AsyncMutex::default(),
            running: Mutex::default(),
            part: Mutex::new(Part::WHOLE),
            before: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Notes which policies of the document make no sense to this version; they are reported, and the
    /// others are served.
    pub fn set_refused(&self, refused: Vec<(ObjectName, String)>) {
        for (source, problem) in &refused {
            tracing::error!(policy = %source, "a policy is not served: {problem}");
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    /// Brings these policies into force, and no others. Returns what keeps any of them from being served,
    /// such as a port that is taken; it is tried again until it works, and reported meanwhile.
    pub async fn set(&self, policies: Vec<Policy>) -> Vec<(ObjectName, String)> {
        let _changing = self.changing.lock().await;
        let part = *self.lock_part();
        *self.lock_before() = Some(self.reports());
        let mut before = std::mem::take(&mut *self.lock());
        let mut after = BTreeMap::new();
        for policy in policies {
            let source = policy.source.clone();
            let running = match before.remove(&source) {
                Some(running) => running.change(policy, part, &self.surroundings),
                None => Running::start(policy, part, &self.surroundings),
            };
            self.asker.follow(&source, &running.policy().signals, running.windows());
            after.insert(source, running);
        }
        for (source, running) in before {
            self.asker.forget(&source);
            running.stop(&self.surroundings).await;
        }
        // Whatever gives up a port has done so before another takes it.
        for running in after.values_mut() {
            running.release().await;
        }
        for running in after.values_mut() {
            running.listen(&self.surroundings).await;
        }
        let problems =
            after.iter().filter_map(|(source, running)| Some((source.clone(), running.problem()?)));
        let problems = problems.collect();
        *self.lock() = after;
        *self.lock_before() = None;
        // It may have become another meanwhile, when there was nobody to take it.
        let known = self.lock_part();
        if *known != part {
            self.take_part(*known);
        }
        problems
    }

    /// Takes another part of the cluster's windows.
    pub fn set_part(&self, part: Part) {
        let mut known = self.lock_part();
        if std::mem::replace(&mut *known, part) != part {
            self.take_part(part);
        }
    }

    fn take_part(&self, part: Part) {
        for running in self.lock().values() {
            running.take_part(part);
        }
    }

    /// How each policy is, sorted by its object's name.
    #[must_use]
    pub fn reports(&self) -> Vec<PolicyReport> {
        if let Some(before) = &*self.lock_before() {
            return before.clone();
        }
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = refused.iter().map(|(source, problem)| not_served(source, problem));
        let running = self.lock();
        let served = running.iter().map(|(source, running)| running.report(self.asker.reports(source)));
        let mut reports: Vec<_> = served.chain(refused).collect();
        reports.sort_by(|a, b| a.source.cmp(&b.source));
        reports
    }

    /// The signals of all policies.
    #[must_use]
    pub const fn asker(&self) -> &Asker {
        &self.asker
    }

    /// Brings the gauges up to date; called before each scrape.
    pub fn measure(&self) {
        for running in self.lock().values() {
            running.measure();
        }
    }

    /// Where a policy's listener is; none while it has none.
    #[must_use]
    pub fn address(&self, source: &ObjectName) -> Option<std::net::SocketAddr> {
        self.lock().get(source)?.address()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Running>> {
        // Nothing panics under the lock; were it so, the map is still whole.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_before(&self) -> MutexGuard<'_, Option<Vec<PolicyReport>>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_part(&self) -> MutexGuard<'_, Part> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a policy is that makes no sense here.
fn not_served(source: &ObjectName, problem: &str) -> PolicyReport {
    PolicyReport {
        source: source.clone(),
        problem: problem.to_owned(),
        outdated: String::new(),
        window: 0,
        max: 0,
        in_flight: 0,
        allowance: Decimal::default(),
        throttling: false,
        signals: Vec::new(),
    }
}
