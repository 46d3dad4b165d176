//! What of an object is ours to put back: everything but its status and what the API server adds.

use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

/// A hash of plain data.
#[must_use]
pub fn of(data: &(impl Serialize + ?Sized)) -> u64 {
    // Plain data renders; what does not is all alike, and is applied once too often at worst.
    xxh3_64(&serde_json::to_vec(data).unwrap_or_default())
}

/// A hash of what an object says, as the API server has it. It stays when only its status changes, or
/// when something is written that was there already.
#[must_use]
pub fn of_object(object: &DynamicObject) -> u64 {
    let mut data = object.data.clone();
    if let Value::Object(fields) = &mut data {
        fields.remove("status");
    }
    let meta = &object.metadata;
    of(&(&data, &meta.labels, &meta.annotations, &meta.owner_references, &meta.finalizers))
}

/// Keeps of an object no more than its metadata and its fingerprint: ConfigMaps are large.
pub fn trim(object: &mut DynamicObject) {
    let fingerprint = of_object(object);
    object.data = json!({"fingerprint": fingerprint});
    object.metadata.managed_fields = None;
}

/// The fingerprint of a trimmed object.
#[must_use]
pub fn of_trimmed(object: &DynamicObject) -> Option<u64> {
    object.data.get("fingerprint")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(extra: Value) -> DynamicObject {
        let mut object = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "main", "labels": {"a": "b"}, "resourceVersion": "1"},
            "spec": {"ports": [{"port": 1050}]},
        });
        if let (Value::Object(object), Value::Object(extra)) = (&mut object, extra) {
            object.extend(extra);
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn status_and_versions_do_not_count() {
        let plain = service(json!({}));
        let mut served = service(json!({"status": {"loadBalancer": {}}}));
        served.metadata.resource_version = Some("2".into());
        served.metadata.generation = Some(7);
        assert_eq!(of_object(&plain), of_object(&served));
    }

    #[test]
    fn spec_and_labels_count_and_survive_trimming() {
        let plain = service(json!({}));
        let changed = service(json!({"spec": {"ports": []}}));
        assert_ne!(of_object(&plain), of_object(&changed));
        let mut labelled = plain.clone();
        labelled.metadata.labels = None;
        assert_ne!(of_object(&plain), of_object(&labelled));
        let mut trimmed = plain.clone();
        trim(&mut trimmed);
        assert_eq!(of_trimmed(&trimmed), Some(of_object(&plain)));
    }
}
