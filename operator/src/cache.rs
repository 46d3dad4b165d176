//! What the watches have seen: the only place that reconciles read from.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    hash::Hash,
    sync::Arc,
};

use crds::{
    backpressure::BackpressurePolicy, cluster::RateLimitCluster, fold::NamespaceLabels, limit::RateLimit,
    reference::ObjectName,
};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Namespace, Pod},
};
use kube::{
    Resource, ResourceExt,
    core::{DeserializeGuard, DynamicObject, PartialObjectMeta},
    runtime::reflector::{ObjectRef, Store},
};

use crate::names::{FIELD_MANAGER, INSTANCE_LABEL, MANAGED_BY_LABEL};

/// The objects of one kind: of all namespaces, or of those that are watched.
#[derive(Clone, Debug)]
pub struct Cache<K>
where
    K: Resource + Clone + Debug + 'static,
    K::DynamicType: Eq + Hash + Clone + Debug,
{
    kind: K::DynamicType,
    /// By namespace; a single one under no name where all are watched.
    stores: BTreeMap<Option<String>, Store<K>>,
}

impl<K> Cache<K>
where
    K: Resource + Clone + Debug + 'static,
    K::DynamicType: Eq + Hash + Clone + Debug,
{
    /// From a store for each watched namespace, or one under no name for all of them.
    #[must_use]
    pub fn new(kind: K::DynamicType, stores: BTreeMap<Option<String>, Store<K>>) -> Self {
        Self { kind, stores }
    }

    /// The object of a name.
    #[must_use]
    pub fn get(&self, name: &ObjectName) -> Option<Arc<K>> {
        let store = self.stores.get(&None).or_else(|| self.stores.get(&Some(name.namespace.clone())))?;
        let reference = ObjectRef::new_with(&name.name, self.kind.clone()).within(&name.namespace);
        store.get(&reference)
    }

    /// Whether there is an object of a name.
    #[must_use]
    pub fn contains(&self, name: &ObjectName) -> bool {
        self.get(name).is_some()
    }

    /// All objects.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        self.stores.values().flat_map(Store::state).collect()
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> &K::DynamicType {
        &self.kind
    }

    /// The stores behind it, by namespace.
    #[must_use]
    pub const fn stores(&self) -> &BTreeMap<Option<String>, Store<K>> {
        &self.stores
    }

    /// Waits until every store has been filled once. False where a watch has ended before that.
    pub async fn wait_until_ready(&self) -> bool {
        for store in self.stores.values() {
            if store.wait_until_ready().await.is_err() {
                return false;
            }
        }
        true
    }
}

/// Objects of one kind, whether they can be read or not.
pub type Objects<K> = Vec<Arc<DeserializeGuard<K>>>;

/// All caches.
#[derive(Clone, Debug)]
pub struct Caches {
    /// RateLimitClusters.
    pub clusters: Cache<DeserializeGuard<RateLimitCluster>>,
    /// RateLimits.
    pub limits: Cache<DeserializeGuard<RateLimit>>,
    /// BackpressurePolicies.
    pub policies: Cache<DeserializeGuard<BackpressurePolicy>>,
    /// Namespaces' metadata; nothing where only some namespaces are watched.
    pub namespaces: Option<Cache<PartialObjectMeta<Namespace>>>,
    /// StatefulSets that we own.
    pub stateful_sets: Cache<StatefulSet>,
    /// Pods of those.
    pub pods: Cache<Pod>,
    /// All else that we own, by plural, trimmed to metadata and a fingerprint.
    pub children: HashMap<String, Cache<DynamicObject>>,
}

impl Caches {
    /// The objects that can be read and that name `cluster`.
    pub fn declared(&self, cluster: &ObjectName) -> (Objects<RateLimit>, Objects<BackpressurePolicy>) {
        let limits = self.limits.all().into_iter().filter(|object| {
            object.0.as_ref().is_ok_and(|limit| {
                limit.spec.cluster_ref.resolve(&ObjectName::of(&limit.metadata).namespace) == *cluster
            })
        });
        let policies = self.policies.all().into_iter().filter(|object| {
            object.0.as_ref().is_ok_and(|policy| {
                policy.spec.cluster_ref.resolve(&ObjectName::of(&policy.metadata).namespace) == *cluster
            })
        });
        (limits.collect(), policies.collect())
    }

    /// Labels of all namespaces that are known.
    #[must_use]
    pub fn namespace_labels(&self) -> NamespaceLabels {
        let Some(namespaces) = &self.namespaces else { return NamespaceLabels::new() };
        namespaces
            .all()
            .into_iter()
            .map(|namespace| (namespace.name_any(), namespace.labels().clone()))
            .collect()
    }

    /// Whether a namespace is being deleted, as far as that is known: nothing can be made there, and nobody
    /// will read what is said there.
    #[must_use]
    pub fn terminating(&self, namespace: &str) -> bool {
        let stores = self.namespaces.iter().flat_map(|namespaces| namespaces.stores().values());
        stores
            .filter_map(|store| store.get(&ObjectRef::new(namespace)))
            .any(|namespace| namespace.metadata.deletion_timestamp.is_some())
    }

    /// The pods of a cluster.
    #[must_use]
    pub fn pods_of(&self, cluster: &ObjectName) -> Vec<Arc<Pod>> {
        let mut pods = self.pods.all();
        pods.retain(|pod| {
            pod.namespace().as_deref() == Some(&cluster.namespace)
                && pod.labels().get(INSTANCE_LABEL).is_some_and(|instance| *instance == cluster.name)
        });
        pods.sort_by_key(|pod| pod.name_any());
        pods
    }

    /// Waits until everything has been seen once. False where a watch has ended before that.
    pub async fn wait_until_ready(&self) -> bool {
        let declared = self.clusters.wait_until_ready().await
            && self.limits.wait_until_ready().await
            && self.policies.wait_until_ready().await;
        if !declared || !self.stateful_sets.wait_until_ready().await || !self.pods.wait_until_ready().await {
            return false;
        }
        if let Some(namespaces) = &self.namespaces
            && !namespaces.wait_until_ready().await
        {
            return false;
        }
        for cache in self.children.values() {
            if !cache.wait_until_ready().await {
                return false;
            }
        }
        true
    }
}

/// The cluster that an object of ours belongs to, by its labels.
#[must_use]
pub fn owner_of<K: ResourceExt>(object: &K) -> Option<ObjectName> {
    let labels = object.labels();
    if labels.get(MANAGED_BY_LABEL).map(String::as_str) != Some(FIELD_MANAGER) {
        return None;
    }
    Some(ObjectName { namespace: object.namespace()?, name: labels.get(INSTANCE_LABEL)?.clone() })
}
