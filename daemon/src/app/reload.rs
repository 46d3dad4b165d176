//! Reads manifests again when they change. What is wrong is logged and changes nothing.

use std::path::PathBuf;

use tokio_util::task::AbortOnDropHandle;

use super::Load;
use super::cluster::{Cluster, Declarer};
use super::manifests::Loaded;
use crate::files::Watched;

/// Ends the watching when dropped.
pub(super) struct Watch {
    _task: AbortOnDropHandle<()>,
}

/// Watches `paths`, and takes into force what `load` makes of them.
pub(super) fn watch(cluster: &Cluster, paths: Vec<PathBuf>, load: Load, in_force: Option<Loaded>) -> Watch {
    let task = tokio::spawn(run(cluster.declarer(), paths, load, in_force.map(Ok)));
    Watch { _task: AbortOnDropHandle::new(task) }
}

/// What the files held when they were last read.
type Last = Option<Result<Loaded, String>>;

async fn run(declarer: Declarer, paths: Vec<PathBuf>, load: Load, mut last: Last) {
    let watched = Watched::files("a file of manifests", &paths);
    loop {
        // At first for what changed between the first reading and the beginning of the watch.
        let files = paths.clone();
        if let Ok(loaded) = tokio::task::spawn_blocking(move || load(&files)).await {
            last = Some(take(&declarer, &last, loaded.map_err(|error| error.to_string())).await);
        }
        watched.changed().await;
    }
}

/// Takes into force what was loaded, if it is another document; tells of what is wrong once.
async fn take(declarer: &Declarer, last: &Last, loaded: Result<Loaded, String>) -> Result<Loaded, String> {
    let nodes = &declarer.nodes;
    let Some(first) = nodes.first() else { return loaded };
    match &loaded {
        Err(problem) if !matches!(last, Some(Err(known)) if known == problem) => {
            for node in &**nodes {
                node.metrics().reloads_failed.inc();
            }
            for line in problem.lines() {
                tracing::error!(
                    revision = first.limits().revision(),
                    "what was declared before stays in force: {line}"
                );
            }
        }
        Err(_) => {}
        Ok(loaded) => {
            let changed = first.limits().revision() != loaded.document.revision;
            if changed {
                // Why a policy is not served was logged, and is tried again.
                declarer.declare(loaded).await;
                for node in &**nodes {
                    node.metrics().reloads_succeeded.inc();
                }
            }
            if let Some(Ok(before)) = last
                && loaded.needs_restart(before)
            {
                tracing::warn!("what changed beside limits and policies takes a restart");
            }
        }
    }
    loaded
}
