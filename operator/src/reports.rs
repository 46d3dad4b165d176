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

use crds::{reference::ObjectName, report::PodReport};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use self::{changes::Changes, follower::Follower};
use crate::metrics::Metrics;

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
        /// What it said last.
        report: Arc<PodReport>,
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

    /// Whether its word is of now.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        matches!(self, Self::Report { .. })
    }

    /// What it said last, current or not.
    #[must_use]
    pub fn into_report(self) -> Option<PodReport> {
        match self {
            Self::Never => None,
            Self::Report { report, .. } | Self::Lost { report, .. } => Some(Arc::unwrap_or_clone(report)),
        }
    }
}

/// The streams of all pods of all clusters. Dropping it ends them.
#[derive(Debug)]
pub struct Reports {
    followers: Mutex<HashMap<ObjectName, HashMap<String, Follower>>>,
    changes: Changes,
    metrics: Arc<Metrics>,
    _news: AbortOnDropHandle<()>,
}

impl Reports {
    /// No streams yet. Clusters that are to be looked at again are put into `news`: each at most once
    /// beyond what is in there, however much its pods have to say. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(news: mpsc::Sender<ObjectName>, metrics: Arc<Metrics>) -> Self {
        let changes = Changes::default();
        let passing_on = tokio::spawn(pass_on(changes.clone(), news));
        Self { followers: Mutex::default(), changes, metrics, _news: AbortOnDropHandle::new(passing_on) }
    }

    /// Follows these pods of `cluster` and no others: opens streams that are missing and ends those
    /// that are no longer wanted. Must be called within a tokio runtime.
    pub fn follow(&self, cluster: &ObjectName, wanted: impl IntoIterator<Item = PodTarget>) {
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
    pub fn forget(&self, cluster: &ObjectName) {
        self.lock().remove(cluster);
    }

    /// What is known of the pod `uid` of `cluster`.
    #[must_use]
    pub fn heard(&self, cluster: &ObjectName, uid: &str) -> Heard {
        self.lock().get(cluster).and_then(|pods| pods.get(uid)).map_or(Heard::Never, Follower::heard)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectName, HashMap<String, Follower>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until nobody takes them any more.
async fn pass_on(changes: Changes, news: mpsc::Sender<ObjectName>) {
    while news.send(changes.next().await).await.is_ok() {}
}

#[cfg(test)]
mod tests;
