//! Writes statuses. Each object's status has one writer, and is written whole.

use crds::{condition::Condition, reference::ObjectName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject, NamespaceResourceScope, ObjectMeta},
};
use serde_json::{Value, json};

use crate::{
    clock,
    conditions::{self, Finding},
    control::ReconcileError,
    names::FIELD_MANAGER,
};

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

/// Puts findings into the status of an object that cannot be read as a `K`, and leaves the rest of it as
/// it is: somebody may depend on that, such as an autoscaler on the selector.
///
/// # Errors
/// Where the API server does not answer, or does not take it.
pub async fn tell<K>(client: &Client, meta: &ObjectMeta, findings: &[Finding]) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let name = ObjectName::of(meta);
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &name.namespace, &resource);
    let object = api.get_opt(&name.name).await.map_err(|error| ReconcileError::Status(Box::new(error)))?;
    let Some(object) = object else { return Ok(()) };
    let mut status = object.data.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    let said: Vec<Condition> = status
        .get("conditions")
        .cloned()
        .and_then(|said| serde_json::from_value(said).ok())
        .unwrap_or_default();
    let told = conditions::merge(&said, findings, meta.generation, &Time(clock::now()));
    let others = said.into_iter().filter(|condition| told.iter().all(|told| told.type_ != condition.type_));
    status["conditions"] = json!(others.chain(told.iter().cloned()).collect::<Vec<_>>());
    status["observedGeneration"] = json!(meta.generation);
    write::<K>(client, &name, &status).await
}
