//! The document in ConfigMaps.

use crds::{
    document::{DaemonDocument, DocumentError},
    part::{self, MAX_PARTS, PartError},
};
use k8s_openapi::api::core::v1::ConfigMap;

use super::{super::validate::Identity, Named, child};

/// Why a document cannot be told to a cluster's pods.
#[derive(Debug, thiserror::Error)]
pub enum DocumentPartsError {
    /// It cannot be written.
    #[error(transparent)]
    Render(#[from] DocumentError),
    /// It is too large.
    #[error(transparent)]
    Split(#[from] PartError),
}

/// The ConfigMaps of a document, the part with the number 0 first. What it no longer needs is for
/// [`surplus_parts`].
///
/// # Errors
/// Where the document does not fit.
pub fn document_parts(
    cluster: &Identity,
    document: &DaemonDocument,
) -> Result<Vec<ConfigMap>, DocumentPartsError> {
    let parts = part::split(&document.revision, &document.render()?)?;
    let config_maps = parts.into_iter().enumerate().map(|(index, part)| ConfigMap {
        metadata: child(&cluster.name, &cluster.namespace, &cluster.owner, cluster.name.document_part(index)),
        data: Some(part.into_data()),
        ..ConfigMap::default()
    });
    Ok(config_maps.collect())
}

/// The ConfigMaps that a document of so many `parts` does without.
#[must_use]
pub fn surplus_parts(cluster: &Identity, parts: usize) -> Vec<Named> {
    (parts..MAX_PARTS)
        .map(|index| Named::of::<ConfigMap>(&cluster.namespace, &cluster.name.document_part(index)))
        .collect()
}
