//! The secrets that policies name, as they are now. Whoever uses one reads it anew for each use, so that
//! a changed one counts at once.

pub mod cluster;
pub mod folder;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crds::credentials::SecretKey;
use tokio::sync::watch;

/// All secrets that are known. Clones share them.
#[derive(Clone, Debug)]
pub struct Secrets(Arc<watch::Sender<Arc<Values>>>);

/// Values by their keys; never shown.
#[derive(Default, PartialEq, Eq)]
pub struct Values(BTreeMap<SecretKey, Vec<u8>>);

/// A secret that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not there, or the operator may not read it")]
pub struct Missing(pub SecretKey);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(SecretKey, Vec<u8>)> for Values {
    fn from_iter<I: IntoIterator<Item = (SecretKey, Vec<u8>)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Values {
    /// One of them.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn get(&self, key: &SecretKey) -> Result<&[u8], Missing> {
        self.0.get(key).map(Vec::as_slice).ok_or_else(|| Missing(key.clone()))
    }
}

impl Default for Secrets {
    /// None.
    fn default() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }
}

impl Secrets {
    /// Takes other values for those before; wakes who waits where they differ.
    pub fn set(&self, values: Values) {
        self.0.send_if_modified(|known| {
            let other = **known != values;
            if other {
                *known = Arc::new(values);
            }
            other
        });
    }

    /// All as they are now.
    #[must_use]
    pub fn now(&self) -> Arc<Values> {
        Arc::clone(&self.0.borrow())
    }

    /// Wakes when one changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Values>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_secret_counts_at_once_and_none_is_shown() {
        let secrets = Secrets::default();
        let mut changes = secrets.changes();
        let key = SecretKey { namespace: "shop".into(), name: "prom".into(), key: "token".into() };
        assert_eq!(
            secrets.now().get(&key).unwrap_err().to_string(),
            "the key token of the Secret shop/prom is not there, or the operator may not read it"
        );
        let values = || Values::from_iter([(key.clone(), b"hunter2".to_vec())]);
        secrets.set(values());
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        secrets.set(values());
        assert!(!changes.has_changed().unwrap());
        assert_eq!(secrets.now().get(&key), Ok(&b"hunter2"[..]));
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
