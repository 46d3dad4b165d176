//! Clusters to look at again: each at most once, however much its pods have to say.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::Stream;
use tokio::sync::Notify;

use super::Cluster;

/// The clusters of whose pods there is news. Clones share the same set; one reader at a time is woken.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    clusters: Mutex<HashSet<Cluster>>,
    news: Notify,
}

impl Changes {
    /// There is news of `cluster`.
    pub(super) fn mark(&self, cluster: &Cluster) {
        if self.lock().insert(cluster.clone()) {
            self.shared.news.notify_one();
        }
    }

    /// The next cluster of which there is news; waits until there is.
    pub async fn next(&self) -> Cluster {
        loop {
            if let Some(cluster) = self.take() {
                return cluster;
            }
            self.shared.news.notified().await;
        }
    }

    /// The same as a stream without end, as `Controller::reconcile_on` takes it.
    pub fn stream(self) -> impl Stream<Item = Cluster> + Send + 'static {
        futures_util::stream::unfold(self, |changes| async move {
            let cluster = changes.next().await;
            Some((cluster, changes))
        })
    }

    fn take(&self) -> Option<Cluster> {
        let mut clusters = self.lock();
        let cluster = clusters.iter().next()?.clone();
        clusters.remove(&cluster);
        Some(cluster)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Cluster>> {
        self.shared.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
