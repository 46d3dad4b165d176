//! Secrets from the one Secret in which the operator keeps them for the pods of a cluster.

use crds::credentials::SecretKey;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::Config;
use kube::{Api, Client};

use super::{Secrets, Values};
use crate::api::{self, Told};
use crate::metrics::WatchMetrics;
use crate::settings::CredentialsSource;

/// Keeps `secrets` as the Secret has them, for ever. What was read last counts while the API server is
/// away; once it says that there is no such Secret, there are none.
pub async fn run(client: Client, source: CredentialsSource, secrets: Secrets, metrics: WatchMetrics) {
    let CredentialsSource { namespace, name } = source;
    // By name, since an account may be allowed to read this Secret and no other.
    let config = Config::default().fields(&format!("metadata.name={name}"));
    let api = Api::namespaced(client, &namespace);
    let tell = |told: Told<'_, Secret>| match told {
        Told::All(found) => secrets.set(found.get(&name).map(values).unwrap_or_default()),
        Told::Failed(_) => {}
    };
    api::watch(&name, api, config, &metrics, tell).await;
}

/// What a Secret holds for us. Entries that are not the operator's mean nothing.
fn values(secret: &Secret) -> Values {
    let entries = secret.data.iter().flatten();
    entries.filter_map(|(entry, value)| Some((SecretKey::of_entry(entry)?, value.0.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn entries_are_read_back_and_others_mean_nothing() {
        let key = SecretKey { namespace: "shop".into(), name: "prom".into(), key: "a_token".into() };
        let entries =
            [(key.entry().unwrap(), "hunter2"), ("tls.crt".to_owned(), "x"), ("a_b".to_owned(), "x")];
        let data = entries.into_iter().map(|(entry, value)| (entry, ByteString(value.as_bytes().to_vec())));
        let secret = Secret { data: Some(data.collect()), ..Secret::default() };
        assert_eq!(values(&secret), Values::from_iter([(key, b"hunter2".to_vec())]));
        assert_eq!(values(&Secret::default()), Values::default());
    }
}
