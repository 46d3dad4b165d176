//! Names and labels, checked once where they come in, so that what is built from them is right.
//!
//! A cluster's children are named after it and nothing else. The same cluster always has the same
//! children, so there is nothing to look up and nothing to remember.

use std::{collections::BTreeMap, fmt, str::FromStr};

pub use self::image::{ImageError, ImageReference};

mod image;

/// Who we are in `metadata.managedFields`: the one writer of whatever we render.
pub const FIELD_MANAGER: &str = "wicketgate-operator";
/// Holds a StatefulSet's number of pods between the day when an autoscaler is asked for and its
/// first decision. A field that its only manager no longer applies falls back to its default, which
/// for replicas is 1.
pub const REPLICAS_MANAGER: &str = "wicketgate-operator-replicas";

/// The container that runs the daemon.
pub const DAEMON_CONTAINER: &str = "daemon";
/// The name of the HTTP port, on containers and Services.
pub const HTTP_PORT: &str = "http";
/// The name of the gRPC port, on containers and Services.
pub const GRPC_PORT: &str = "grpc";
/// The name of the port on which pods speak to each other.
pub const PEERS_PORT: &str = "peers";
/// What the names of policies' ports on the clients' Service begin with; the port's number follows.
pub const LISTENER_PORT: &str = "bp-";

/// The label of what a thing is.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The label of which cluster it belongs to.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// The label of its part in the cluster.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The label of who keeps it.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The label of what it is a part of.
pub const PART_OF_LABEL: &str = "app.kubernetes.io/part-of";
/// The label of the daemon's version. Never on pods: it would restart them for a label's sake.
pub const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// The value of [`NAME_LABEL`] and [`PART_OF_LABEL`].
pub const APPLICATION: &str = "wicketgate";
/// The value of [`COMPONENT_LABEL`].
pub const DAEMON_COMPONENT: &str = "daemon";
/// A label selector for everything that the operator makes for any cluster.
pub const OWNED_SELECTOR: &str =
    "app.kubernetes.io/managed-by=wicketgate-operator,app.kubernetes.io/component=daemon";

/// The ServiceAccount that every namespace has from the start.
const DEFAULT_SERVICE_ACCOUNT: &str = "default";
/// The Service of the API server, in the namespace `default`.
const API_SERVICE: &str = "kubernetes";

/// The name of a RateLimitCluster, from which its children have theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(String);

/// Why a name cannot be a cluster's. Displays as what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too long, or of other letters.
    #[error(
        "it names Services and pods: at most {max} of a-z, 0-9 and '-', beginning with a letter and ending with a letter or digit",
        max = ClusterName::MAX_LEN
    )]
    Form,
    /// The ServiceAccount of that name is every pod's.
    #[error(
        "the cluster's ServiceAccount would be the one that all pods of the namespace share: choose another name"
    )]
    SharedAccount,
    /// The Service of that name is the API server's.
    #[error("the Service of that name is the API server's: choose another name or namespace")]
    ApiService,
}

impl ClusterName {
    /// The most characters: a StatefulSet labels its pods with its own name and eleven characters
    /// more, and a label's value has at most 63.
    pub const MAX_LEN: usize = 52;

    /// Checks that `name` may be a cluster's in `namespace`.
    ///
    /// # Errors
    /// Where a child of that name could not be, or is somebody else's in every Kubernetes.
    pub fn new(name: &str, namespace: &str) -> Result<Self, NameError> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let formed = name.len() <= Self::MAX_LEN
            && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
            && name.bytes().all(inner)
            && !name.ends_with('-');
        match name {
            _ if !formed => Err(NameError::Form),
            DEFAULT_SERVICE_ACCOUNT => Err(NameError::SharedAccount),
            API_SERVICE if namespace == "default" => Err(NameError::ApiService),
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// The name itself, which most children have: StatefulSet, client Service, ServiceAccount, Role,
    /// RoleBinding, PodDisruptionBudget, NetworkPolicy, HorizontalPodAutoscaler and ServiceMonitor.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The headless Service, whose EndpointSlices are the ring.
    #[must_use]
    pub fn peers_service(&self) -> String {
        format!("{self}-peers")
    }

    /// The document; its parts are ConfigMaps named so, with their number.
    #[must_use]
    pub fn document(&self) -> String {
        format!("{self}-document")
    }

    /// The ConfigMap of the document's part `index`, from 0.
    #[must_use]
    pub fn document_part(&self, index: usize) -> String {
        crds::part::config_map_name(&self.document(), index)
    }

    /// The labels that select the cluster's pods; they never change, since a StatefulSet's selector
    /// cannot.
    #[must_use]
    pub fn selector_labels(&self) -> BTreeMap<String, String> {
        labels([
            (NAME_LABEL, APPLICATION),
            (INSTANCE_LABEL, self.as_str()),
            (COMPONENT_LABEL, DAEMON_COMPONENT),
        ])
    }

    /// The same as one text: the scale subresource's `status.selector`, and for list requests.
    #[must_use]
    pub fn selector(&self) -> String {
        let terms: Vec<_> =
            self.selector_labels().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        terms.join(",")
    }

    /// The labels of everything that belongs to the cluster, pods included.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut all = self.selector_labels();
        all.extend(labels([(MANAGED_BY_LABEL, FIELD_MANAGER), (PART_OF_LABEL, APPLICATION)]));
        all
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A label's value: at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both
/// ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelValue(String);

/// A text that is no label's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no label value: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
)]
pub struct LabelError(String);

impl FromStr for LabelValue {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let outer = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let right = text.len() <= 63
            && text.bytes().all(inner)
            && outer(text.bytes().next())
            && outer(text.bytes().next_back());
        if right { Ok(Self(text.to_owned())) } else { Err(LabelError(text.chars().take(64).collect())) }
    }
}

impl From<LabelValue> for String {
    fn from(value: LabelValue) -> Self {
        value.0
    }
}

fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_name_is_what_services_and_pods_can_have() {
        let longest = "a".repeat(ClusterName::MAX_LEN);
        for right in ["a", "main", "a-1", "kubernetes", &longest] {
            assert_eq!(ClusterName::new(right, "edge").unwrap().as_str(), right);
        }
        for wrong in ["", "1a", "-a", "a-", "A", "a.b", "a_b", "ä", &format!("{longest}a")] {
            assert_eq!(ClusterName::new(wrong, "edge"), Err(NameError::Form), "{wrong}");
        }
    }

    #[test]
    fn what_every_kubernetes_has_is_nobodys_cluster() {
        assert_eq!(ClusterName::new("default", "edge"), Err(NameError::SharedAccount));
        assert_eq!(ClusterName::new("kubernetes", "default"), Err(NameError::ApiService));
    }

    #[test]
    fn the_longest_name_has_children_with_names_that_fit() {
        let name = ClusterName::new(&"a".repeat(ClusterName::MAX_LEN), "edge").unwrap();
        let revision = format!("{name}-5f7b9c6d8f");
        for label in [name.peers_service(), format!("{name}-999"), revision] {
            assert!(label.len() <= 63, "{label}");
        }
        assert_eq!(name.document_part(15).len(), 52 + "-document-15".len());
    }

    #[test]
    fn the_children_are_those_that_daemons_look_for() {
        let name = ClusterName::new("main", "edge").unwrap();
        assert_eq!(name.peers_service(), "main-peers");
        assert_eq!(name.document(), "main-document");
        assert_eq!(name.document_part(3), "main-document-3");
    }

    #[test]
    fn labels_hold_the_selector() {
        let name = ClusterName::new("main", "edge").unwrap();
        let all = name.labels();
        assert!(name.selector_labels().iter().all(|(key, value)| all.get(key) == Some(value)));
        assert_eq!(
            name.selector(),
            "app.kubernetes.io/component=daemon,app.kubernetes.io/instance=main,app.kubernetes.io/name=wicketgate"
        );
        assert_eq!(all[MANAGED_BY_LABEL], FIELD_MANAGER);
        assert_eq!(
            OWNED_SELECTOR,
            format!("{MANAGED_BY_LABEL}={FIELD_MANAGER},{COMPONENT_LABEL}={DAEMON_COMPONENT}")
        );
    }

    #[test]
    fn a_label_value_is_checked() {
        for right in ["a", "1.2.3", "v1_2-3", &"x".repeat(63)] {
            assert_eq!(String::from(right.parse::<LabelValue>().unwrap()), right);
        }
        for wrong in ["", "-a", "a.", "a b", "a+b", &"x".repeat(64)] {
            assert!(wrong.parse::<LabelValue>().is_err(), "{wrong}");
        }
    }
}
