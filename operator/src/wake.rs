//! Whom an event concerns, and the queues of those who are to be reconciled.

use std::collections::BTreeMap;

use crds::reference::ObjectName;
use kube::Resource as _;
use tokio::sync::mpsc;

use crate::{cache::Caches, ledger::Source};

/// Names that may wait in a queue. The controllers behind it keep each name once, so it is soon empty.
const QUEUE: usize = 1024;

/// Somebody to be reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A RateLimitCluster.
    Cluster(ObjectName),
    /// A RateLimit or BackpressurePolicy.
    Declared(Source),
    /// Every RateLimitCluster.
    Clusters,
    /// Every RateLimit and BackpressurePolicy.
    AllDeclared,
}

/// A namespace that is watched, or all of them.
pub type Scope = Option<String>;

/// The end of a queue from which a controller takes names.
pub type Woken = mpsc::Receiver<ObjectName>;

/// One queue for each scope, since each has a controller of its own.
#[derive(Clone, Debug)]
struct Queues(BTreeMap<Scope, mpsc::Sender<ObjectName>>);

/// The ends into which names are put.
#[derive(Clone, Debug)]
pub struct Wakes {
    clusters: Queues,
    limits: Queues,
    policies: Queues,
}

/// The ends from which the controllers of one scope take them.
#[derive(Debug)]
pub struct ScopeWoken {
    /// The scope.
    pub scope: Scope,
    /// RateLimitClusters.
    pub clusters: Woken,
    /// RateLimits.
    pub limits: Woken,
    /// BackpressurePolicies.
    pub policies: Woken,
}

impl Wakes {
    /// Queues for these scopes, and who takes from them.
    #[must_use]
    pub fn new(scopes: &[Scope]) -> (Self, Vec<ScopeWoken>) {
        let empty = || Queues(BTreeMap::new());
        let mut wakes = Self { clusters: empty(), limits: empty(), policies: empty() };
        let woken = scopes
            .iter()
            .map(|scope| ScopeWoken {
                scope: scope.clone(),
                clusters: wakes.clusters.open(scope),
                limits: wakes.limits.open(scope),
                policies: wakes.policies.open(scope),
            })
            .collect();
        (wakes, woken)
    }

    /// Puts into its queue whoever is meant, and waits for room there. At shutdown nobody takes any more,
    /// which is as well.
    pub async fn wake(&self, wake: Wake, caches: &Caches) {
        match wake {
            Wake::Cluster(name) => self.clusters.put(name).await,
            Wake::Declared(source) => self.declared(source).await,
            Wake::Clusters => {
                for cluster in caches.clusters.all() {
                    self.clusters.put(ObjectName::of(cluster.meta())).await;
                }
            }
            Wake::AllDeclared => {
                for limit in caches.limits.all() {
                    self.limits.put(ObjectName::of(limit.meta())).await;
                }
                for policy in caches.policies.all() {
                    self.policies.put(ObjectName::of(policy.meta())).await;
                }
            }
        }
    }

    async fn declared(&self, source: Source) {
        match source {
            Source::Limit(name) => self.limits.put(name).await,
            Source::Policy(name) => self.policies.put(name).await,
        }
    }
}

impl Queues {
    fn open(&mut self, scope: &Scope) -> Woken {
        let (put, take) = mpsc::channel(QUEUE);
        self.0.insert(scope.clone(), put);
        take
    }

    /// Puts a name into the queue of its scope. One that is in none is nobody's concern.
    async fn put(&self, name: ObjectName) {
        let queue = self.0.get(&None).or_else(|| self.0.get(&Some(name.namespace.clone())));
        if let Some(queue) = queue {
            // An error means that the controller has ended, and with it the need.
            let _ = queue.send(name).await;
        }
    }
}
