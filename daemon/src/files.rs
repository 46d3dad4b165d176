//! Files that others change: manifests, secrets and the mounted document. Whoever reads them is told when
//! to read again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Editors and the kubelet write in several steps; they are taken for one.
const SETTLE: Duration = Duration::from_millis(50);
/// How often files are read all the same: some file systems tell nothing.
const AT_LEAST: Duration = Duration::from_secs(10);

/// Files that are watched, until this is dropped.
#[derive(Debug)]
pub struct Watched {
    changed: Arc<Notify>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watched {
    /// A folder with all that is in it; `what` names it in the log.
    #[must_use]
    pub fn folder(what: &str, folder: &Path) -> Self {
        Self::start(&format!("{what} {}", folder.display()), [(folder, RecursiveMode::Recursive)])
    }

    /// Files and folders. Of a file the folder is watched that holds it: one that is replaced is another.
    #[must_use]
    pub fn files(what: &str, paths: &[PathBuf]) -> Self {
        let places = paths.iter().map(|path| {
            if path.is_dir() {
                return (path.as_path(), RecursiveMode::Recursive);
            }
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            (folder.unwrap_or_else(|| ".".as_ref()), RecursiveMode::NonRecursive)
        });
        Self::start(what, places)
    }

    fn start<'a>(what: &str, places: impl IntoIterator<Item = (&'a Path, RecursiveMode)>) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = watch(places, Arc::clone(&changed)).inspect_err(|error| {
            tracing::warn!(%error, every = ?AT_LEAST, "{what} cannot be watched; it is read now and then");
        });
        Self { changed, _watcher: watcher.ok() }
    }

    /// Waits until the files may have changed since the last time, or since the watch began.
    pub async fn changed(&self) {
        tokio::select! {
            () = self.changed.notified() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(AT_LEAST) => {}
        }
    }
}

fn watch<'a>(
    places: impl IntoIterator<Item = (&'a Path, RecursiveMode)>,
    changed: Arc<Notify>,
) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    for (place, mode) in places {
        watcher.watch(place, mode)?;
    }
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_is_written_replaced_or_added_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (file, deep) = (folder.path().join("one"), folder.path().join("deep"));
        fs::create_dir(&deep).unwrap();
        fs::write(&file, "1").unwrap();
        let watched = Watched::files("files", &[file.clone(), deep.clone()]);
        let told = async |change: &dyn Fn()| {
            change();
            let waited = tokio::time::timeout(AT_LEAST / 2, watched.changed()).await;
            waited.expect("it is told before files are read anyhow");
        };
        told(&|| fs::write(&file, "2").unwrap()).await;
        told(&|| {
            fs::write(folder.path().join("next"), "3").unwrap();
            fs::rename(folder.path().join("next"), &file).unwrap();
        })
        .await;
        told(&|| fs::write(deep.join("two"), "1").unwrap()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_watched_is_read_now_and_then() {
        let watched = Watched::folder("nothing", Path::new("/nowhere/at/all"));
        assert!(watched._watcher.is_none());
        watched.changed().await;
    }
}
