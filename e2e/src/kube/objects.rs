//! Objects of any kind as JSON, and what their conditions say.

use kube::api::{ApiResource, GroupVersionKind};
use kube::core::DynamicObject;
use serde_json::Value;

/// The kinds that tests speak of, each with its API version.
const KINDS: [(&str, &str); 24] = [
    ("RateLimitCluster", "wicketgate.dev/v1alpha1"),
    ("RateLimit", "wicketgate.dev/v1alpha1"),
    ("BackpressurePolicy", "wicketgate.dev/v1alpha1"),
    ("ConfigMap", "v1"),
    ("Event", "events.k8s.io/v1"),
    ("Namespace", "v1"),
    ("Pod", "v1"),
    ("Secret", "v1"),
    ("Service", "v1"),
    ("ServiceAccount", "v1"),
    ("ControllerRevision", "apps/v1"),
    ("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
    ("Deployment", "apps/v1"),
    ("ReplicaSet", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("HorizontalPodAutoscaler", "autoscaling/v2"),
    ("Lease", "coordination.k8s.io/v1"),
    ("EndpointSlice", "discovery.k8s.io/v1"),
    ("NetworkPolicy", "networking.k8s.io/v1"),
    ("PodDisruptionBudget", "policy/v1"),
    ("Role", "rbac.authorization.k8s.io/v1"),
    ("RoleBinding", "rbac.authorization.k8s.io/v1"),
    ("ClusterRole", "rbac.authorization.k8s.io/v1"),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1"),
];

/// Where objects of this kind are.
///
/// # Panics
/// When no test has spoken of the kind yet.
pub fn resource(kind: &str) -> ApiResource {
    let known = KINDS.iter().find(|(known, _)| *known == kind);
    let (_, version) = known.unwrap_or_else(|| panic!("{kind} is missing in objects::KINDS"));
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

/// The API version of a kind, as objects spell it.
///
/// # Panics
/// As [`resource`].
pub fn api_version(kind: &str) -> String {
    resource(kind).api_version
}

/// A condition in a status.
#[derive(Clone, Debug)]
pub struct Condition {
    /// True, False or Unknown.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// The generation that it is about.
    pub generation: Option<i64>,
}

/// An object's condition of this type, if it is there.
pub fn condition(object: &DynamicObject, kind: &str) -> Option<Condition> {
    let all = object.data.pointer("/status/conditions")?.as_array()?;
    let found = all.iter().find(|condition| condition["type"] == kind)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some(Condition {
        status: text("status"),
        reason: text("reason"),
        message: text("message"),
        generation: found["observedGeneration"].as_i64(),
    })
}

/// The object's condition of this type, if it is about the object as it is now and has this status.
///
/// # Errors
/// What is there instead.
pub fn holds(object: Option<&DynamicObject>, kind: &str, status: &str) -> Result<Condition, String> {
    let object = object.ok_or_else(|| "there is no such object".to_owned())?;
    let generation = object.metadata.generation;
    match condition(object, kind) {
        Some(found) if found.status == status && found.generation == generation => Ok(found),
        _ => Err(format!("generation {generation:?}, status {}", object.data["status"])),
    }
}

/// The number at this JSON pointer.
pub fn number(object: &DynamicObject, pointer: &str) -> Option<i64> {
    object.data.pointer(pointer).and_then(Value::as_i64)
}

/// The text at this JSON pointer.
pub fn text<'a>(object: &'a DynamicObject, pointer: &str) -> Option<&'a str> {
    object.data.pointer(pointer).and_then(Value::as_str)
}

/// The objects of a YAML file with several documents.
///
/// # Panics
/// When it is not YAML.
pub fn read(yaml: &str) -> Vec<Value> {
    let all: Vec<Value> =
        serde_yaml::from_multiple(yaml).unwrap_or_else(|error| panic!("not YAML: {error}\n{yaml}"));
    all.into_iter().filter(|object| !object.is_null()).collect()
}
