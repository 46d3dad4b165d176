//! How one object names another.

use std::fmt;

use kube::{KubeSchema, core::ObjectMeta};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A DNS label: what a namespace's name is.
pub(crate) const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A DNS subdomain: what most names are.
pub(crate) const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// The namespace and name of an object, which together tell it from all others of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectName {
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl ObjectName {
    /// The namespace that an object without one belongs to, as for kubectl.
    pub const DEFAULT_NAMESPACE: &str = "default";

    /// The name of the object with this metadata.
    pub fn of(meta: &ObjectMeta) -> Self {
        Self {
            namespace: meta.namespace.clone().unwrap_or_else(|| Self::DEFAULT_NAMESPACE.to_owned()),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Names the RateLimitCluster that an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRef {
    /// Name of the RateLimitCluster.
    #[schemars(length(min = 1, max = 52), regex(pattern = LABEL))]
    pub name: String,
    /// Namespace of the RateLimitCluster. Defaults to the namespace of the object itself; another
    /// one must be allowed by the cluster's spec.allowedNamespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub namespace: Option<String>,
}

impl ClusterRef {
    /// The cluster that is meant by an object in the namespace `own`.
    pub fn resolve(&self, own: &str) -> ObjectName {
        ObjectName {
            namespace: self.namespace.clone().unwrap_or_else(|| own.to_owned()),
            name: self.name.clone(),
        }
    }
}

/// Names a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: String,
}

/// Names one key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: String,
    /// Key within the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Where a listener's certificate comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// Plain text.
    #[default]
    Disabled,
    /// Certificates that the operator issues and renews.
    Managed,
    /// The certificates in the Secret that secretRef names.
    SecretRef,
}

/// TLS of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", default = "ListenerTls::default")]
#[x_kube(
    validation = Rule::new("(self.mode == 'SecretRef') == has(self.secretRef)")
        .message("secretRef is needed with mode SecretRef, and only then"),
)]
pub struct ListenerTls {
    /// Disabled: plain text. Managed: certificates that the operator issues and renews.
    /// SecretRef: those in the Secret that secretRef names.
    pub mode: TlsMode,
    /// A Secret of type kubernetes.io/tls (tls.crt, tls.key, ca.crt) in the object's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// The schema of a map from text to text with at most 64 entries.
pub(crate) fn text_map_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 4096},
    })
}

/// The schema of an object that we pass on and do not look into.
pub(crate) fn opaque_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_reference_defaults_to_the_own_namespace() {
        let mut reference = ClusterRef { name: "main".into(), namespace: None };
        assert_eq!(reference.resolve("shop").to_string(), "shop/main");
        reference.namespace = Some("edge".into());
        assert_eq!(reference.resolve("shop").to_string(), "edge/main");
    }

    #[test]
    fn an_object_without_a_namespace_is_in_default() {
        let meta = ObjectMeta { name: Some("main".into()), ..ObjectMeta::default() };
        assert_eq!(ObjectName::of(&meta).to_string(), "default/main");
    }
}
