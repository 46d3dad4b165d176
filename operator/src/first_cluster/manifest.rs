//! What the ConfigMap says, checked. Pure.

use crds::manifest;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

/// The key under which the cluster stands.
pub(super) const KEY: &str = "cluster.yaml";

/// One RateLimitCluster, as it was written: what its author leaves open stays open.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    pub(super) name: String,
    body: Value,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManifestError {
    #[error("the key {KEY} is missing: it must hold one RateLimitCluster")]
    Missing,
    #[error("{0}")]
    Problems(String),
    #[error("{KEY} must hold one RateLimitCluster and nothing else")]
    Kind,
    #[error("metadata.namespace is {0:?}: leave it out, the cluster is made in {1:?}")]
    Namespace(String, String),
}

impl Manifest {
    /// The cluster of `config_map`, which shall be in `namespace`.
    pub(super) fn read(config_map: &ConfigMap, namespace: &str) -> Result<Self, ManifestError> {
        let text = config_map.data.as_ref().and_then(|data| data.get(KEY)).ok_or(ManifestError::Missing)?;
        let read = manifest::read([(KEY, text)]);
        if !read.problems.is_empty() {
            let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
            return Err(ManifestError::Problems(problems.join("; ")));
        }
        let [manifest::Located { manifest: manifest::Manifest::RateLimitCluster(cluster), .. }] =
            read.objects.as_slice()
        else {
            return Err(ManifestError::Kind);
        };
        if let Some(other) = cluster.metadata.namespace.as_ref().filter(|other| *other != namespace) {
            return Err(ManifestError::Namespace(other.clone(), namespace.to_owned()));
        }
        let mut body: Value =
            serde_yaml::from_str(text).map_err(|error| ManifestError::Problems(format!("{KEY}: {error}")))?;
        body["metadata"]["namespace"] = namespace.into();
        Ok(Self { name: cluster.metadata.name.clone().unwrap_or_default(), body })
    }

    /// The object to apply: it goes when `config_map` goes.
    pub(super) fn owned_by(mut self, config_map: &ConfigMap) -> Value {
        self.body["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": config_map.metadata.name,
            "uid": config_map.metadata.uid,
        }]);
        self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(text: &str) -> ConfigMap {
        let data = [(KEY.to_owned(), text.to_owned())].into();
        let mut config_map = ConfigMap { data: Some(data), ..ConfigMap::default() };
        config_map.metadata.name = Some("wicketgate-cluster".into());
        config_map.metadata.uid = Some("uid-1".into());
        config_map
    }

    const CLUSTER: &str = r#"{"apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimitCluster",
        "metadata": {"name": "main"}, "spec": {"capacity": 1000}}"#;

    #[test]
    fn what_is_applied_is_what_was_written_with_its_owner() {
        let config_map = config_map(CLUSTER);
        let manifest = Manifest::read(&config_map, "edge").unwrap();
        assert_eq!(manifest.name, "main");
        let body = manifest.owned_by(&config_map);
        assert_eq!(body["spec"], json!({"capacity": 1000}), "no defaults, or nobody could scale it");
        assert_eq!(body["metadata"]["namespace"], "edge");
        let owner =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "wicketgate-cluster", "uid": "uid-1"}]);
        assert_eq!(body["metadata"]["ownerReferences"], owner);
    }

    #[test]
    fn yaml_is_read_as_well() {
        let text =
            "apiVersion: wicketgate.dev/v1alpha1\nkind: RateLimitCluster\nmetadata: {name: main}\nspec: {}\n";
        assert_eq!(Manifest::read(&config_map(text), "edge").unwrap().name, "main");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let limit = "{apiVersion: wicketgate.dev/v1alpha1, kind: RateLimit, metadata: {name: a}, \
                     spec: {clusterRef: {name: main}, limit: 1, duration: 1s}}";
        for (text, message) in [
            (CLUSTER.replace("1000", "many"), "cluster.yaml: document 1"),
            (CLUSTER.replace("capacity", "capacty"), "capacty"),
            (CLUSTER.replace(r#""name": "main""#, r#""name": "main", "namespace": "other""#), "leave it out"),
            (format!("{CLUSTER}\n---\n{}", CLUSTER.replace("main", "two")), "one RateLimitCluster"),
            (limit.to_owned(), "one RateLimitCluster"),
            (String::new(), "one RateLimitCluster"),
        ] {
            let error = Manifest::read(&config_map(&text), "edge").unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        let empty = ConfigMap::default();
        assert!(matches!(Manifest::read(&empty, "edge"), Err(ManifestError::Missing)));
    }
}
