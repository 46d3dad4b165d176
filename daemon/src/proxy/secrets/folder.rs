//! Secrets from files, where there is no Kubernetes: `FOLDER/NAMESPACE/NAME/KEY`, as Secrets look where
//! they are mounted.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crds::credentials::SecretKey;

use super::{Secrets, Values};
use crate::files::Watched;

/// The longest file: as much as a Secret may hold.
const MAX_BYTES: u64 = 1 << 20;
/// The most files; more of them are no folder of secrets.
const MAX_FILES: usize = 1_000;

/// Why a folder holds no secrets. What the files hold is never shown.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {cause}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Something lies where it means nothing.
    #[error("{} is {what}; secrets lie in FOLDER/NAMESPACE/NAME/KEY", .path.display())]
    Place {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file is too long for a secret.
    #[error("{} is longer than {MAX_BYTES} bytes, which no secret is", .path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
    },
    /// There are too many files.
    #[error("{} holds more than {MAX_FILES} files; name a folder that holds secrets and nothing else", .path.display())]
    TooMany {
        /// Which folder.
        path: PathBuf,
    },
}

/// Reads all secrets of a folder. Hidden files and folders are passed over, among them those behind the
/// links of a mounted volume.
///
/// # Errors
/// [`FolderError`] for the first thing that is wrong; nothing is read in part.
pub fn read(folder: &Path) -> Result<Values, FolderError> {
    let mut found = Vec::new();
    for (namespace, path) in entries(folder)? {
        for (name, path) in entries(&path)? {
            for (key, path) in entries(&path)? {
                if found.len() == MAX_FILES {
                    return Err(FolderError::TooMany { path: folder.to_owned() });
                }
                let key = SecretKey { namespace: namespace.clone(), name: name.clone(), key };
                found.push((key, read_file(path)?));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Keeps `secrets` as the files are, for ever. While something is wrong with them, what was read last
/// counts, and the log says why once.
pub async fn run(folder: PathBuf, secrets: Secrets) {
    let watched = Watched::folder("the folder of secrets", &folder);
    let mut told = None;
    loop {
        let path = folder.clone();
        // A panic while reading is a fault of ours; what was read before is as good as it was.
        if let Ok(read) = tokio::task::spawn_blocking(move || read(&path)).await {
            let wrong = read.map(|values| secrets.set(values)).err().map(|error| error.to_string());
            match &wrong {
                Some(wrong) if told.as_ref() != Some(wrong) => {
                    tracing::error!("secrets stay as they were: {wrong}");
                }
                None if told.is_some() => tracing::info!("secrets are read again"),
                _ => {}
            }
            told = wrong;
        }
        watched.changed().await;
    }
}

/// What is in a folder and not hidden, by name.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, FolderError> {
    let wrong = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotADirectory => FolderError::Place { path: folder.to_owned(), what: "no folder" },
        _ => FolderError::Read { path: folder.to_owned(), cause },
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        match name.map(str::to_owned) {
            Some(name) if name.starts_with('.') => {}
            Some(name) => found.push((name, path)),
            None => return Err(FolderError::Place { path, what: "no name in UTF-8" }),
        }
        if found.len() > MAX_FILES {
            return Err(FolderError::TooMany { path: folder.to_owned() });
        }
    }
    Ok(found)
}

fn read_file(path: PathBuf) -> Result<Vec<u8>, FolderError> {
    // Links are followed. A pipe would keep us waiting.
    let mut bytes = Vec::new();
    let read = fs::metadata(&path).and_then(|found| {
        if found.is_file() {
            fs::File::open(&path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        }
        Ok(found.is_file())
    });
    match read {
        Err(cause) => Err(FolderError::Read { path, cause }),
        Ok(false) => Err(FolderError::Place { path, what: "no file" }),
        Ok(true) if bytes.len() as u64 > MAX_BYTES => Err(FolderError::TooLong { path }),
        Ok(true) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn key(key: &str) -> SecretKey {
        SecretKey { namespace: "shop".into(), name: "prom".into(), key: key.into() }
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("shop/prom");
        fs::create_dir_all(&secret).unwrap();
        (folder, secret)
    }

    #[test]
    fn a_mounted_secret_is_read_through_its_links() {
        let (folder, secret) = folder();
        fs::create_dir(secret.join("..one")).unwrap();
        fs::write(secret.join("..one/token"), "hunter2").unwrap();
        symlink("..one", secret.join("..data")).unwrap();
        symlink("..data/token", secret.join("token")).unwrap();
        fs::write(folder.path().join(".hidden"), "x").unwrap();
        assert_eq!(read(folder.path()).unwrap(), Values::from_iter([(key("token"), b"hunter2".to_vec())]));
    }

    #[test]
    fn what_is_wrong_is_named_and_not_shown() {
        let (folder, secret) = folder();
        let text = || read(folder.path()).unwrap_err().to_string();
        fs::write(secret.join("token"), vec![b'x'; 1 << 20]).unwrap();
        assert!(read(folder.path()).is_ok());
        fs::write(secret.join("token"), vec![b'x'; (1 << 20) + 1]).unwrap();
        assert!(text().ends_with("shop/prom/token is longer than 1048576 bytes, which no secret is"));
        fs::remove_file(secret.join("token")).unwrap();
        fs::create_dir(secret.join("deeper")).unwrap();
        assert!(text().ends_with("deeper is no file; secrets lie in FOLDER/NAMESPACE/NAME/KEY"));
        fs::remove_dir(secret.join("deeper")).unwrap();
        symlink("nowhere", secret.join("token")).unwrap();
        assert!(text().starts_with("cannot read ") && text().contains("shop/prom/token: "));
        fs::remove_file(secret.join("token")).unwrap();
        fs::write(folder.path().join("README"), "x").unwrap();
        assert!(text().ends_with("README is no folder; secrets lie in FOLDER/NAMESPACE/NAME/KEY"));
        let missing = read(&folder.path().join("missing")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read ") && missing.contains("missing: "), "{missing}");
    }

    #[tokio::test]
    async fn a_changed_file_counts_soon() {
        let (folder, secret) = folder();
        fs::write(secret.join("token"), "one").unwrap();
        let secrets = Secrets::default();
        let mut changes = secrets.changes();
        let path = folder.path().to_owned();
        let following = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(run(path, secrets.clone())));
        changes.changed().await.unwrap();
        assert_eq!(secrets.now().get(&key("token")), Ok(&b"one"[..]));
        // Whenever it is read in between: with what is wrong in it, it is not read in part.
        fs::write(secret.join("wrong"), vec![0; (1 << 20) + 1]).unwrap();
        fs::write(secret.join("token"), "two").unwrap();
        fs::remove_file(secret.join("wrong")).unwrap();
        changes.changed().await.unwrap();
        assert_eq!(secrets.now().get(&key("token")), Ok(&b"two"[..]));
        drop(following);
    }
}
