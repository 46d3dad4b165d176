//! Clusters to look at again: each at most once, however much its pods have to say.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crds::reference::ObjectName;
use tokio::sync::Notify;

/// The clusters of whose pods there is news. Clones share the same set; one reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    clusters: Mutex<HashSet<ObjectName>>,
    news: Notify,
}

impl Changes {
    /// There is news of `cluster`.
    pub(super) fn mark(&self, cluster: &ObjectName) {
        if self.lock().insert(cluster.clone()) {
            self.shared.news.notify_one();
        }
    }

    /// The next cluster of which there is news; waits until there is.
    pub(super) async fn next(&self) -> ObjectName {
        loop {
            if let Some(cluster) = self.take() {
                return cluster;
            }
            self.shared.news.notified().await;
        }
    }

    fn take(&self) -> Option<ObjectName> {
        let mut clusters = self.lock();
        let cluster = clusters.iter().next()?.clone();
        clusters.remove(&cluster);
        Some(cluster)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ObjectName>> {
        self.shared.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
