//! What the last leader published, read once when this one begins: pods run that document, and what is
//! in it stays in force while the lead changes hands.

use std::collections::BTreeMap;

use crds::{document::DaemonDocument, part, reference::ObjectName};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use super::memory::Memory;
use crate::{context::Context, control::ReconcileError};

/// Enters the document that the cluster's ConfigMaps hold, if they hold one. A document that cannot be read
/// is as good as none: the next one replaces it.
///
/// # Errors
/// Where the API server does not answer.
pub async fn document(
    context: &Context,
    name: &ObjectName,
    memory: &mut Memory,
) -> Result<(), ReconcileError> {
    if memory.recalled {
        return Ok(());
    }
    let document = format!("{}-document", name.name);
    if let Some(text) = text(context, &name.namespace, &document).await? {
        match DaemonDocument::parse(&text) {
            Ok(document) => {
                memory.ledger.publish(&document);
                memory.credentials.recall(&document);
            }
            Err(error) => {
                tracing::warn!(cluster = %name, %error, "the document that is there cannot be read");
            }
        }
    }
    memory.recalled = true;
    Ok(())
}

async fn text(context: &Context, namespace: &str, document: &str) -> Result<Option<String>, ReconcileError> {
    let seen = |index| {
        let name = part::config_map_name(document, index);
        let name = ObjectName { namespace: namespace.to_owned(), name };
        context.caches.children.get("configmaps").is_some_and(|cache| cache.contains(&name))
    };
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let mut parts = BTreeMap::new();
    // The cache knows which there are, so a new cluster costs no call.
    for index in (0..part::MAX_PARTS).take_while(|index| seen(*index)) {
        let name = part::config_map_name(document, index);
        let held = api.get_opt(&name).await.map_err(|cause| ReconcileError::Recall(Box::new(cause)))?;
        let data = held.and_then(|held| held.data).unwrap_or_default();
        parts.extend(part::Part::from_data(data).ok().map(|part| (index, part)));
    }
    Ok(part::join(&parts))
}
