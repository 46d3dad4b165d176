//! Reads manifests again when they change. What is wrong is logged and changes nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::Load;
use super::cluster::{Cluster, Declarer};
use super::manifests::Loaded;

/// Editors write a file in several steps; they are taken for one.
const SETTLE: Duration = Duration::from_millis(50);
/// How often files are read again all the same: some file systems tell nothing.
const AT_LEAST: Duration = Duration::from_secs(10);

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
    let changed = Arc::new(Notify::new());
    let _watcher = match start(&paths, Arc::clone(&changed)) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, every = ?AT_LEAST, "files cannot be watched, and are read now and then");
            None
        }
    };
    // What changed between the first reading and the beginning of the watch has made no event.
    changed.notify_one();
    loop {
        tokio::select! {
            () = changed.notified() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(AT_LEAST) => {}
        }
        let paths = paths.clone();
        let Ok(loaded) = tokio::task::spawn_blocking(move || load(&paths)).await else { continue };
        last = Some(take(&declarer, &last, loaded.map_err(|error| error.to_string())).await);
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

/// Watches the folders that hold the files: a file that is replaced is another file.
fn start(paths: &[PathBuf], changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    for path in paths {
        if path.is_dir() {
            watcher.watch(path, RecursiveMode::Recursive)?;
        } else {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            watcher.watch(folder.unwrap_or_else(|| ".".as_ref()), RecursiveMode::NonRecursive)?;
        }
    }
    Ok(watcher)
}
