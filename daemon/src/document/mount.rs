//! The document where it is mounted, for the time in which the API says nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crds::part::{MAX_PARTS, PART_BYTES, PARTS_KEY, Part, REVISION_KEY, TEXT_KEY};
use crds::report::Refusal;

use super::assembly::{Assembly, assemble};
use super::board::Said;
use crate::files::Watched;

/// Where the kubelet keeps the files that count: it replaces them all by replacing this link.
const CURRENT: &str = "..data";

/// A folder with the parts `0`, `1` and so on, watched.
pub(super) struct Mount {
    folder: PathBuf,
    watched: Watched,
}

impl Mount {
    pub(super) fn new(folder: PathBuf) -> Self {
        let watched = Watched::folder("the mounted document", &folder);
        Self { folder, watched }
    }

    /// Waits until the files may have changed.
    pub(super) async fn changed(&self) {
        self.watched.changed().await;
    }

    /// What the files are together.
    pub(super) async fn read(&self) -> Assembly {
        let folder = self.folder.clone();
        let read = tokio::task::spawn_blocking(move || read(&folder)).await;
        read.unwrap_or_else(|_| Assembly::Missing { what: self.folder.display().to_string() })
    }
}

fn read(folder: &Path) -> Assembly {
    // One look at the link, so that all files are of one version.
    let current = fs::canonicalize(folder.join(CURRENT)).unwrap_or_else(|_| folder.to_owned());
    let mut said: BTreeMap<usize, Said> = BTreeMap::new();
    let mut parts = 1;
    while said.len() < parts.min(MAX_PARTS) {
        let index = said.len();
        let part = match read_part(&current.join(index.to_string())) {
            Ok(part) => part,
            Err(error) => {
                let reason = format!("cannot read {}: {error}", folder.join(index.to_string()).display());
                return Assembly::Wrong(Refusal { revision: String::new(), reason });
            }
        };
        if let (0, Some(Ok(first))) = (index, &part) {
            parts = first.parts;
        }
        said.insert(index, part);
    }
    assemble(&said, |index| folder.join(index.to_string()).display().to_string())
}

/// One part's files; `None` where there are none.
fn read_part(folder: &Path) -> io::Result<Said> {
    let mut data = BTreeMap::new();
    for key in [TEXT_KEY, REVISION_KEY, PARTS_KEY] {
        let file = folder.join(key);
        match fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
            Ok(found) if found.len() > 2 * PART_BYTES as u64 => {
                let text = format!("{key} has {} bytes, and a part at most {PART_BYTES}", found.len());
                return Err(io::Error::other(text));
            }
            Ok(_) => data.insert(key.to_owned(), fs::read_to_string(&file)?),
        };
    }
    Ok((!data.is_empty()).then(|| Part::from_data(data)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, revision: &str, texts: &[&str]) {
        for (index, text) in texts.iter().enumerate() {
            let folder = folder.join(index.to_string());
            fs::create_dir_all(&folder).unwrap();
            let part = Part { revision: revision.to_owned(), parts: texts.len(), text: (*text).to_owned() };
            for (key, value) in part.into_data() {
                fs::write(folder.join(key), value).unwrap();
            }
        }
    }

    fn whole(revision: &str, parts: usize, text: &str) -> Assembly {
        Assembly::Whole { revision: revision.to_owned(), parts, text: text.to_owned() }
    }

    #[tokio::test]
    async fn a_volume_is_read_as_the_kubelet_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let mount = Mount::new(folder.path().to_owned());
        assert!(matches!(mount.read().await, Assembly::Missing { .. }));
        write(&folder.path().join("..one"), "r1", &["a", "b"]);
        write(&folder.path().join("..two"), "r2", &["c"]);
        std::os::unix::fs::symlink("..one", folder.path().join(CURRENT)).unwrap();
        for part in ["0", "1"] {
            std::os::unix::fs::symlink(format!("{CURRENT}/{part}"), folder.path().join(part)).unwrap();
        }
        assert_eq!(mount.read().await, whole("r1", 2, "ab"));
        mount.changed().await;
        std::os::unix::fs::symlink("..two", folder.path().join("..next")).unwrap();
        fs::rename(folder.path().join("..next"), folder.path().join(CURRENT)).unwrap();
        mount.changed().await;
        assert_eq!(mount.read().await, whole("r2", 1, "c"));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "r1", &["a"]);
        fs::write(folder.path().join("0").join(TEXT_KEY), vec![b'x'; 3 * PART_BYTES]).unwrap();
        let mount = Mount::new(folder.path().to_owned());
        let Assembly::Wrong(refusal) = mount.read().await else { panic!("it is too long") };
        assert!(refusal.reason.contains("document.yaml has 1572864 bytes"), "{}", refusal.reason);
    }
}
