//! How Prometheus finds the pods, where its operator is installed.

use crds::duration::GoDuration;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;

use super::{super::validate::ValidatedCluster, metadata, selector};
use crate::names::HTTP_PORT;

/// The kind, which is not Kubernetes' own.
#[must_use]
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor");
    ApiResource::from_gvk_with_plural(&kind, "servicemonitors")
}

/// A monitor of the clients' Service: the ring's has no port of that name.
pub(super) fn monitor(cluster: &ValidatedCluster, interval: GoDuration) -> DynamicObject {
    let spec = json!({
        "selector": selector(cluster),
        "endpoints": [{"port": HTTP_PORT, "path": "/metrics", "interval": render(interval)}],
    });
    let mut monitor = DynamicObject::new(cluster.name.as_str(), &resource()).data(json!({"spec": spec}));
    monitor.metadata = metadata(cluster, cluster.name.as_str());
    monitor
}

/// As Prometheus writes durations: whole numbers, and no unit below the millisecond.
fn render(interval: GoDuration) -> String {
    match interval.as_millis() {
        millis if millis % 1_000 == 0 => format!("{}s", millis / 1_000),
        millis => format!("{millis}ms"),
    }
}
