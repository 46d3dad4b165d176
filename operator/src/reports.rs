//! What pods say of themselves: a stream of reports from each, kept open while the pod is wanted.
//!
//! Each pod has one task, which alone writes what was heard of it. Whoever reconciles reads that at
//! any time, and is told which cluster to look at again: when a pod says anything new but its number
//! of buckets, or when it is heard no more. What a pod said before it was lost is not current, and is
//! not given out as if it were.

mod changes;
mod follower;
mod lines;
mod stream;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crds::{cluster::RateLimitCluster, report::PodReport};
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

pub use self::changes::Changes;
use self::follower::Follower;
use crate::metrics::Metrics;

/// A cluster whose pods are followed.
pub type Cluster = ObjectRef<RateLimitCluster>;

/// A pod that reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTarget {
    /// Its name, for the log.
    pub name: String,
    /// The pod's uid: another pod of the same name is another pod.
    pub uid: String,
    /// Its address.
    pub address: IpAddr,
    /// The number of its HTTP port.
    pub port: u16,
    /// Whether Kubernetes calls it ready. When it becomes so, a connection that waits to be tried
    /// again is tried at once.
    pub ready: bool,
}

impl PodTarget {
    const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// What is known of a pod.
#[derive(Clone, Debug)]
pub enum Heard {
    /// It has not said anything, or it is not followed.
    Never,
    /// Its stream is open, and this is its last word.
    Report {
        /// What it said.
        report: Arc<PodReport>,
        /// When it said so.
        at: Instant,
    },
    /// Its stream has ended, or has been silent for too long; it is being tried again.
    Lost {
        /// Since when.
        since: Instant,
    },
}

impl Heard {
    /// Its report, where that is current.
    #[must_use]
    pub fn current(&self) -> Option<&PodReport> {
        match self {
            Self::Report { report, .. } => Some(report),
            Self::Never | Self::Lost { .. } => None,
        }
    }
}

/// The streams of all pods of all clusters. Dropping it ends them.
#[derive(Debug)]
pub struct Reports {
    followers: Mutex<HashMap<Cluster, HashMap<String, Follower>>>,
    changes: Changes,
    metrics: Arc<Metrics>,
}

impl Reports {
    /// No streams yet. Clusters that are to be looked at again come out of the [`Changes`].
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> (Self, Changes) {
        let changes = Changes::default();
        let reports = Self { followers: Mutex::default(), changes: changes.clone(), metrics };
        (reports, changes)
    }

    /// Follows these pods of `cluster` and no others: opens streams that are missing and ends those
    /// that are no longer wanted. Must be called within a tokio runtime.
    pub fn follow(&self, cluster: &Cluster, wanted: impl IntoIterator<Item = PodTarget>) {
        let mut clusters = self.lock();
        let mut before = clusters.remove(cluster).unwrap_or_default();
        let mut after = HashMap::new();
        for target in wanted {
            let follower = match before.remove(&target.uid) {
                Some(mut follower) if follower.is_at(&target) => {
                    follower.set_ready(target.ready);
                    follower
                }
                // A pod that has got another address is spoken to anew.
                _ => Follower::start(
                    target.clone(),
                    cluster.clone(),
                    self.changes.clone(),
                    Arc::clone(&self.metrics),
                ),
            };
            after.insert(target.uid, follower);
        }
        if !after.is_empty() {
            clusters.insert(cluster.clone(), after);
        }
    }

    /// Follows no pod of `cluster` any more.
    pub fn forget(&self, cluster: &Cluster) {
        self.lock().remove(cluster);
    }

    /// What is known of the pod `uid` of `cluster`.
    #[must_use]
    pub fn heard(&self, cluster: &Cluster, uid: &str) -> Heard {
        self.lock().get(cluster).and_then(|pods| pods.get(uid)).map_or(Heard::Never, Follower::heard)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Cluster, HashMap<String, Follower>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
