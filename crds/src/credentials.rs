//! What of other Secrets a cluster's pods need, in one Secret of the cluster.
//!
//! Policies name Secrets of their own namespaces, which the pods may not read. The operator copies the
//! keys that are named, and no others, into the Secret [`secret_name`] beside the pods.

use std::fmt;

use crate::{
    backpressure::{BackpressurePolicySpec, Prometheus},
    reference::SecretKeyRef,
};

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

/// The key of a kubernetes.io/tls Secret that holds the certificate and those that lead to its root.
pub const CERTIFICATE: &str = "tls.crt";
/// The key of a kubernetes.io/tls Secret that holds the certificate's private key.
pub const PRIVATE_KEY: &str = "tls.key";
/// The key of a kubernetes.io/basic-auth Secret that holds the name.
pub const USERNAME: &str = "username";
/// The key of a kubernetes.io/basic-auth Secret that holds the password.
pub const PASSWORD: &str = "password";

/// What a policy in `namespace` needs of Secrets, each key once, sorted.
#[must_use]
pub fn needed(spec: &BackpressurePolicySpec, namespace: &str) -> Vec<SecretKey> {
    let key = |name: &str, key: &str| SecretKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        key: key.to_owned(),
    };
    let referred = |reference: &SecretKeyRef| key(&reference.name, &reference.key);
    let mut needed: Vec<SecretKey> = spec.upstream.tls.ca_secret_ref.iter().map(referred).collect();
    if let Some(secret) = &spec.listener.tls.secret_ref {
        needed.extend([key(&secret.name, CERTIFICATE), key(&secret.name, PRIVATE_KEY)]);
    }
    // Nobody is asked where there are no signals.
    if let Some(Prometheus { auth, tls, .. }) = spec.prometheus.as_ref().filter(|_| !spec.signals.is_empty())
    {
        needed.extend(auth.bearer_token_secret_ref.iter().chain(&tls.ca_secret_ref).map(referred));
        if let Some(secret) = &auth.basic_auth_secret_ref {
            needed.extend([key(&secret.name, USERNAME), key(&secret.name, PASSWORD)]);
        }
    }
    needed.sort_unstable();
    needed.dedup();
    needed
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

    fn needs(spec: &serde_json::Value) -> Vec<String> {
        let spec = serde_json::from_value(spec.clone()).unwrap();
        needed(&spec, "shop").iter().filter_map(SecretKey::entry).collect()
    }

    #[test]
    fn all_that_a_policy_names_is_needed_and_each_once() {
        let mut spec = serde_json::json!({
            "clusterRef": {"name": "main"},
            "listener": {"port": 1, "tls": {"mode": "SecretRef", "secretRef": {"name": "cert"}}},
            "upstream": {"url": "https://a", "tls": {"caSecretRef": {"name": "ca", "key": "ca.crt"}}},
            "window": {"min": 1, "max": 2},
            "signals": [{"name": "a", "query": "up", "warning": 1, "emergency": 2}],
            "prometheus": {
                "url": "https://p",
                "auth": {"basicAuthSecretRef": {"name": "me"}},
                "tls": {"caSecretRef": {"name": "ca", "key": "ca.crt"}},
            },
        });
        assert_eq!(
            needs(&spec),
            [
                "shop_ca_ca.crt",
                "shop_cert_tls.crt",
                "shop_cert_tls.key",
                "shop_me_password",
                "shop_me_username"
            ]
        );
        spec["prometheus"]["auth"] =
            serde_json::json!({"bearerTokenSecretRef": {"name": "me", "key": "token"}});
        assert!(needs(&spec).contains(&"shop_me_token".to_owned()));
        spec["signals"] = serde_json::json!([]);
        assert!(!needs(&spec).contains(&"shop_me_token".to_owned()), "nobody is asked");
    }
}
