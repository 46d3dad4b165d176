//! Writes statuses. Each object's status has one writer, and is written whole.

use crds::reference::ObjectName;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, NamespaceResourceScope},
};
use serde_json::{Value, json};

use crate::{control::ReconcileError, names::FIELD_MANAGER};

/// Writes the status of an object of kind `K`. That it is gone is no error.
///
/// The answer is not read as a `K`: of an object that cannot be read as one, the status must be
/// written too.
///
/// # Errors
/// Where the API server does not take it.
pub async fn write<K>(client: &Client, name: &ObjectName, status: &Value) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &name.namespace, &resource);
    let body = json!({
        "apiVersion": resource.api_version, "kind": resource.kind,
        "metadata": {"name": name.name}, "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(&name.name, &params, &Patch::Apply(&body)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(ReconcileError::Status(Box::new(error))),
    }
}
