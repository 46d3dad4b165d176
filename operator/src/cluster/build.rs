//! From a checked cluster to the objects that it is made of. Pure, and cannot fail: whatever could
//! go wrong was refused while validating.
//!
//! The document is apart ([`document_parts`]): it changes with every limit, and the rest seldom does.
//! Nothing of it is in the pod template, so a limit never restarts a pod. Neither are the ports of policies'
//! listeners: Services lead to numbers, and pods open what their document says.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
        rbac::v1::{Role, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference},
};
use kube::core::{DynamicObject, ObjectMeta};

pub use self::{
    config_map::{DocumentPartsError, document_parts, surplus_parts},
    credentials::{credentials, named as credentials_named},
    prepared::{Named, Prepared},
    service_monitor::resource as service_monitor_resource,
    stateful_set::hand_over_replicas,
};
use super::validate::{Scale, ValidatedCluster};
use crate::names::{ClusterName, LabelValue, VERSION_LABEL};

mod autoscaler;
mod config_map;
mod credentials;
mod disruption;
pub(super) mod environment;
mod network_policy;
pub(super) mod pod;
mod prepared;
mod rbac;
mod service;
mod service_monitor;
pub(super) mod sizing;
mod stateful_set;

/// Everything of a cluster but its document.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// Who the pods are towards the API server.
    pub service_account: ServiceAccount,
    /// What they may do there.
    pub role: Role,
    /// Joins the two.
    pub role_binding: RoleBinding,
    /// The ring's Service.
    pub peers_service: Service,
    /// The clients' Service.
    pub service: Service,
    /// How many pods may be away by choice.
    pub disruption_budget: PodDisruptionBudget,
    /// Who may reach which port.
    pub network_policy: NetworkPolicy,
    /// How the number of pods follows the load, if it does.
    pub autoscaler: Option<HorizontalPodAutoscaler>,
    /// How Prometheus finds the pods, if it shall.
    pub service_monitor: Option<DynamicObject>,
    /// The pods.
    pub stateful_set: StatefulSet,
    /// What must not be there, since the cluster does not ask for it (any more).
    pub absent: Vec<Named>,
}

/// Builds a cluster's objects. `replicas` is what the StatefulSet says of their number; none leaves
/// it to others. [`ValidatedCluster::replicas`] knows which. `listeners` are the ports of its policies.
#[must_use]
pub fn build(cluster: &ValidatedCluster, replicas: Option<i32>, listeners: &BTreeSet<i32>) -> Resources {
    let template = pod::template(cluster);
    Resources {
        service_account: rbac::service_account(cluster),
        role: rbac::role(cluster),
        role_binding: rbac::role_binding(cluster, &template),
        peers_service: service::peers(cluster),
        service: service::clients(cluster, listeners),
        disruption_budget: disruption::budget(cluster),
        network_policy: network_policy::policy(cluster, &template, listeners),
        autoscaler: match &cluster.scale {
            Scale::Auto(autoscaling) => Some(autoscaler::autoscaler(cluster, autoscaling)),
            Scale::Fixed(_) => None,
        },
        service_monitor: cluster.scrape_interval.map(|interval| service_monitor::monitor(cluster, interval)),
        stateful_set: stateful_set::stateful_set(cluster, replicas, template),
        absent: absent(cluster),
    }
}

impl Resources {
    /// The objects in the order in which they are to be applied: what pods need comes before the
    /// pods.
    ///
    /// # Errors
    /// Where an object has no JSON, which its types rule out.
    pub fn prepare(&self) -> Result<Vec<Prepared>, serde_json::Error> {
        let mut prepared = vec![
            Prepared::of(&self.service_account)?,
            Prepared::of(&self.role)?,
            Prepared::of(&self.role_binding)?,
            Prepared::of(&self.peers_service)?,
            Prepared::of(&self.service)?,
            Prepared::of(&self.disruption_budget)?,
            Prepared::of(&self.network_policy)?,
        ];
        prepared.push(Prepared::of(&self.stateful_set)?);
        // After its target, or its first look finds none.
        if let Some(autoscaler) = &self.autoscaler {
            prepared.push(Prepared::of(autoscaler)?);
        }
        // Last, since its kind may be gone from the API server while all else is well.
        if let Some(monitor) = &self.service_monitor {
            prepared.push(Prepared::dynamic(monitor, service_monitor::resource())?);
        }
        Ok(prepared)
    }
}

/// The optional objects that this cluster does without.
fn absent(cluster: &ValidatedCluster) -> Vec<Named> {
    let mut absent = Vec::new();
    if matches!(cluster.scale, Scale::Fixed(_)) {
        absent.push(Named::of::<HorizontalPodAutoscaler>(&cluster.namespace, cluster.name.as_str()));
    }
    if cluster.scrape_interval.is_none() {
        absent.push(Named {
            resource: service_monitor::resource(),
            namespace: cluster.namespace.clone(),
            name: cluster.name.to_string(),
        });
    }
    absent
}

/// What all children have in common: the cluster's namespace, labels and ownership.
fn metadata(cluster: &ValidatedCluster, name: impl Into<String>) -> ObjectMeta {
    let mut meta = child(&cluster.name, &cluster.namespace, &cluster.owner, name.into());
    let labels = meta.labels.get_or_insert_default();
    let version = cluster.image.tag.as_deref().and_then(|tag| tag.parse::<LabelValue>().ok());
    labels.extend(version.map(|version| (VERSION_LABEL.to_owned(), version.into())));
    meta
}

/// What every child has, whoever its cluster is.
fn child(cluster: &ClusterName, namespace: &str, owner: &OwnerReference, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(namespace.to_owned()),
        labels: Some(cluster.labels()),
        owner_references: Some(vec![owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// Selects the cluster's pods.
fn selector(cluster: &ValidatedCluster) -> LabelSelector {
    let labels: BTreeMap<_, _> = cluster.name.selector_labels();
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

#[cfg(test)]
mod tests;
