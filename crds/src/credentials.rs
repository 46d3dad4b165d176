//! What of other Secrets a cluster's pods need, in one Secret of the cluster.
//!
//! Policies name Secrets of their own namespaces, which the pods may not read. The operator copies the
//! keys that are named, and no others, into the Secret [`secret_name`] beside the pods.

use std::fmt;

/// One key of one Secret: what a policy refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretKey {
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// The key in it.
    pub key: String,
}

/// The longest key that a Secret may have.
const MAX_KEY: usize = 253;

impl SecretKey {
    /// The key under which its value is kept in the cluster's Secret; none where that would be longer
    /// than a key may be.
    #[must_use]
    pub fn entry(&self) -> Option<String> {
        // Neither a namespace nor a name may hold an underscore, so that this can be read back.
        let entry = format!("{}_{}_{}", self.namespace, self.name, self.key);
        (entry.len() <= MAX_KEY).then_some(entry)
    }

    /// The reverse of [`SecretKey::entry`].
    #[must_use]
    pub fn of_entry(entry: &str) -> Option<Self> {
        let mut parts = entry.splitn(3, '_').map(str::to_owned);
        Some(Self { namespace: parts.next()?, name: parts.next()?, key: parts.next()? })
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {} of the Secret {}/{}", self.key, self.namespace, self.name)
    }
}

/// The name of the Secret that the pods of a cluster read.
#[must_use]
pub fn secret_name(cluster: &str) -> String {
    format!("{cluster}-credentials")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> SecretKey {
        SecretKey { namespace: "shop".into(), name: "prom.auth".into(), key: key.into() }
    }

    #[test]
    fn an_entry_is_read_back() {
        for name in ["token", "a_b", "_"] {
            let key = key(name);
            assert_eq!(SecretKey::of_entry(&key.entry().unwrap()), Some(key));
        }
        assert_eq!(key(&"k".repeat(253)).entry(), None);
        assert_eq!(SecretKey::of_entry("shop_prom"), None);
    }
}
