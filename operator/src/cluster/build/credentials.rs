//! What policies need of other Secrets, in one Secret that the pods may read.

use std::collections::BTreeMap;

use crds::credentials::secret_name;
use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::{super::validate::Identity, Named, child};

/// The Secret with these entries.
#[must_use]
pub fn credentials(cluster: &Identity, entries: BTreeMap<String, ByteString>) -> Secret {
    let name = secret_name(cluster.name.as_str());
    Secret {
        metadata: child(&cluster.name, &cluster.namespace, &cluster.owner, name),
        type_: Some("Opaque".to_owned()),
        data: Some(entries),
        ..Secret::default()
    }
}

/// Its place in the API.
#[must_use]
pub fn named(cluster: &Identity) -> Named {
    Named::of::<Secret>(&cluster.namespace, &secret_name(cluster.name.as_str()))
}
