//! The pods, and how they are replaced.

use k8s_openapi::{
    api::{
        apps::v1::{
            RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
        },
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::{apis::meta::v1::ManagedFieldsEntry, util::intstr::IntOrString},
};
use serde_json::json;

use super::{
    super::validate::{Scale, ValidatedCluster},
    Named, Prepared, metadata, selector,
};
use crate::names::FIELD_MANAGER;

/// A pod must have been ready for so long before the next may go: routes and rings have followed by
/// then. Together with the drain, in which the next serves on, there is always somebody to ask.
const MIN_READY_SECONDS: i32 = 2;
/// How many templates are kept to go back to.
const REVISIONS: i32 = 5;

/// The pods. Their number is left to others where `replicas` is none.
pub(super) fn stateful_set(
    cluster: &ValidatedCluster,
    replicas: Option<i32>,
    template: PodTemplateSpec,
) -> StatefulSet {
    StatefulSet {
        metadata: metadata(cluster, cluster.name.as_str()),
        spec: StatefulSetSpec {
            replicas,
            selector: selector(cluster),
            service_name: Some(cluster.name.peers_service()),
            // The pods are equals, and need not wait for each other.
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(update_strategy(cluster)),
            min_ready_seconds: Some(MIN_READY_SECONDS),
            revision_history_limit: Some(REVISIONS),
            template,
            ..StatefulSetSpec::default()
        },
        status: None,
    }
}

fn update_strategy(cluster: &ValidatedCluster) -> StatefulSetUpdateStrategy {
    // One is what there is without the field, which an API server before 1.35 may not keep.
    let rolling_update = (cluster.max_unavailable > 1).then_some(RollingUpdateStatefulSetStrategy {
        max_unavailable: Some(IntOrString::Int(cluster.max_unavailable)),
        partition: None,
    });
    StatefulSetUpdateStrategy { type_: Some("RollingUpdate".to_owned()), rolling_update }
}

/// What must be applied by [`REPLICAS_MANAGER`](crate::names::REPLICAS_MANAGER), by force, before a
/// StatefulSet without replicas may be applied by us: while the field is ours alone, leaving it out
/// would set it to 1. None where there is no autoscaler, or the field is somebody else's already.
///
/// `live` is the StatefulSet as it is, its `managedFields` included.
///
/// # Errors
/// Where it has no JSON, which its types rule out.
pub fn hand_over_replicas(
    cluster: &ValidatedCluster,
    live: &StatefulSet,
) -> Result<Option<Prepared>, serde_json::Error> {
    let Scale::Auto(autoscaling) = &cluster.scale else { return Ok(None) };
    if !live.metadata.managed_fields.iter().flatten().any(is_ours_with_replicas) {
        return Ok(None);
    }
    // An autoscaler does not start from none, so neither do we leave it there.
    let current = live.spec.replicas.unwrap_or(1);
    let replicas = current.min(autoscaling.max_replicas).max(autoscaling.min_replicas);
    let target = Named::of::<StatefulSet>(&cluster.namespace, cluster.name.as_str());
    let body = json!({
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": {"namespace": target.namespace, "name": target.name},
        "spec": {"replicas": replicas},
    });
    Prepared::new(target, body).map(Some)
}

fn is_ours_with_replicas(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
        && entry.operation.as_deref() == Some("Apply")
        && entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
}
