//! Pods as the `restricted` level wants them.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::awaiting::{eventually, until};
use super::daemons::is_ready;
use super::place::{PODS, Place, SOON};

/// A pod with one container, `client`, that runs its image's program with these arguments, once.
pub fn pod(name: &str, image: &str, args: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 20,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "client",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "args": args,
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}

/// Makes a pod. A namespace gets its service account a moment after it is made, and takes no pod before.
///
/// # Panics
/// When the API server does not take it, for too long.
pub async fn make(place: &Place, pod: &Value) {
    let what = format!("pod {} is made", pod["metadata"]["name"]);
    eventually(&what, SOON, async || place.try_apply(pod.clone()).await).await;
}

/// Awaits that a pod is ready.
///
/// # Panics
/// When it is not, in time.
pub async fn ready(place: &Place, name: &str) {
    until(&place.typed::<Pod>(), name, &format!("pod {name} is ready"), PODS, |pod| match pod {
        Some(pod) if is_ready(pod) => Ok(()),
        other => Err(format!("{:?}", other.and_then(|pod| pod.status.as_ref()))),
    })
    .await;
}

/// Applies a Service with these ports, each with the one it leads to on the pods that have its name as label
/// `app`.
///
/// # Panics
/// When the API server does not take it.
pub async fn service(place: &Place, name: &str, ports: &[(u16, u16)]) {
    let ports = ports
        .iter()
        .map(|(port, target)| json!({"name": format!("port-{port}"), "port": port, "targetPort": target}));
    place
        .apply(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": ports.collect::<Vec<_>>()},
        }))
        .await;
}

/// A probe of this path, asked each second from the start.
pub fn probe(path: &str, port: u16) -> Value {
    json!({"httpGet": {"path": path, "port": port}, "periodSeconds": 1, "failureThreshold": 2})
}
