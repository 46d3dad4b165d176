//! The streams of the watches, one for each kind and scope, and the caches that they fill.

use std::{collections::BTreeMap, fmt::Debug, hash::Hash, sync::Arc};

use crds::{backpressure::BackpressurePolicy, cluster::RateLimitCluster, limit::RateLimit};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ConfigMap, Namespace, Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client, Resource,
    core::{ApiResource, DeserializeGuard, DynamicObject, NamespaceResourceScope, PartialObjectMeta},
    runtime::{WatchStreamExt as _, reflector::store::Writer, watcher},
};
use serde::de::DeserializeOwned;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cache::{Cache, Caches},
    cluster::build,
    concerns,
    context::Context,
    fingerprint,
    names::OWNED_SELECTOR,
    wake::Scope,
    watch,
};

/// Objects of ours in one answer.
const PAGE: u32 = 16;

/// The ends of the stores into which watches write.
type Writers<K> = Vec<(Scope, Writer<K>)>;

/// All ends.
pub(crate) struct AllWriters {
    pub(crate) clusters: Writers<DeserializeGuard<RateLimitCluster>>,
    pub(crate) limits: Writers<DeserializeGuard<RateLimit>>,
    pub(crate) policies: Writers<DeserializeGuard<BackpressurePolicy>>,
    pub(crate) namespaces: Writers<PartialObjectMeta<Namespace>>,
    pub(crate) stateful_sets: Writers<StatefulSet>,
    pub(crate) pods: Writers<Pod>,
    pub(crate) children: Vec<(ApiResource, Writers<DynamicObject>)>,
}

/// Caches for `scopes`, and the ends into which their watches will write.
pub(crate) fn caches(scopes: &[Scope], service_monitors: bool) -> (Caches, AllWriters) {
    let (clusters, write_clusters) = cache((), scopes);
    let (limits, write_limits) = cache((), scopes);
    let (policies, write_policies) = cache((), scopes);
    let (stateful_sets, write_sets) = cache((), scopes);
    let (pods, write_pods) = cache((), scopes);
    // Where some namespaces are watched, the right to see all of them is not asked for.
    let (namespaces, write_namespaces) = match scopes {
        [None] => {
            let (namespaces, writers) = cache((), scopes);
            (Some(namespaces), writers)
        }
        _ => (None, Vec::new()),
    };
    let mut children = std::collections::HashMap::new();
    let mut write_children = Vec::new();
    for resource in child_kinds(service_monitors) {
        let (store, writers) = cache(resource.clone(), scopes);
        children.insert(resource.plural.clone(), store);
        write_children.push((resource, writers));
    }
    let caches = Caches { clusters, limits, policies, namespaces, stateful_sets, pods, children };
    let writers = AllWriters {
        clusters: write_clusters,
        limits: write_limits,
        policies: write_policies,
        namespaces: write_namespaces,
        stateful_sets: write_sets,
        pods: write_pods,
        children: write_children,
    };
    (caches, writers)
}

fn cache<K>(kind: K::DynamicType, scopes: &[Scope]) -> (Cache<K>, Writers<K>)
where
    K: Resource + Clone + Debug + 'static,
    K::DynamicType: Eq + Hash + Clone + Debug,
{
    let mut stores = BTreeMap::new();
    let mut writers = Vec::new();
    for scope in scopes {
        let writer = Writer::new(kind.clone());
        stores.insert(scope.clone(), writer.as_reader());
        writers.push((scope.clone(), writer));
    }
    (Cache::new(kind, stores), writers)
}

/// The kinds of what we make.
fn child_kinds(service_monitors: bool) -> Vec<ApiResource> {
    let mut kinds = vec![
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<Role>(&()),
        ApiResource::erase::<RoleBinding>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ApiResource::erase::<StatefulSet>(&()),
    ];
    if service_monitors {
        kinds.push(build::service_monitor_resource());
    }
    kinds
}

/// Whether the API server knows ServiceMonitors. Where it cannot be asked, it is taken not to, until it is
/// asked again.
pub(crate) async fn knows_service_monitors(client: &Client) -> bool {
    let resource = build::service_monitor_resource();
    match client.list_api_group_resources(&resource.api_version).await {
        Ok(known) => known.resources.iter().any(|known| known.kind == resource.kind),
        Err(_) => false,
    }
}

impl AllWriters {
    /// Starts all watches.
    pub(super) fn start(self, context: &Arc<Context>, tasks: &TaskTracker, stop: &CancellationToken) {
        let start = Start { context, tasks, stop };
        start.declared(self.clusters, "ratelimitclusters", || concerns::Clusters);
        start.declared(self.limits, "ratelimits", concerns::DeclaredObjects::default);
        start.declared(self.policies, "backpressurepolicies", concerns::DeclaredObjects::default);
        for (_, writer) in self.namespaces {
            let api: Api<PartialObjectMeta<Namespace>> = Api::all(context.client.clone());
            let stream = watcher(api, watch::config());
            start.drive(stream, writer, "namespaces", concerns::Namespaces::default());
        }
        let owned = watch::config().labels(OWNED_SELECTOR);
        for (scope, writer) in self.stateful_sets {
            let stream = watcher(start.api::<StatefulSet>(&scope), owned.clone());
            start.drive(stream, writer, "statefulsets", concerns::Owned);
        }
        for (scope, writer) in self.pods {
            let stream = watcher(start.api::<Pod>(&scope), owned.clone());
            let stream = stream.modify(|pod| pod.metadata.managed_fields = None);
            start.drive(stream, writer, "pods", concerns::Owned);
        }
        for (resource, writers) in self.children {
            for (scope, writer) in writers {
                let api: Api<DynamicObject> = match &scope {
                    None => Api::all_with(context.client.clone(), &resource),
                    Some(namespace) => Api::namespaced_with(context.client.clone(), namespace, &resource),
                };
                // Whole ConfigMaps come with a page, and a document has many; the cache keeps none of it.
                let stream = watcher(api, owned.clone().page_size(PAGE)).modify(fingerprint::trim);
                start.drive(stream, writer, "children", concerns::Owned);
            }
        }
    }
}

/// What every watch is started with.
struct Start<'a> {
    context: &'a Arc<Context>,
    tasks: &'a TaskTracker,
    stop: &'a CancellationToken,
}

impl Start<'_> {
    fn declared<K, C>(
        &self,
        writers: Writers<DeserializeGuard<K>>,
        resource: &'static str,
        concerns: impl Fn() -> C,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
        C: watch::Concerns<DeserializeGuard<K>> + Send + 'static,
    {
        for (scope, writer) in writers {
            let stream = watcher(self.api::<DeserializeGuard<K>>(&scope), watch::config());
            let stream = stream.modify(|object| {
                if let Ok(object) = &mut object.0 {
                    object.meta_mut().managed_fields = None;
                }
            });
            self.drive(stream, writer, resource, concerns());
        }
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self, scope: &Scope) -> Api<K> {
        let client = self.context.client.clone();
        match scope {
            None => Api::all(client),
            Some(namespace) => Api::namespaced(client, namespace),
        }
    }

    fn drive<K, C>(
        &self,
        stream: impl futures_util::Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
        writer: Writer<K>,
        resource: &'static str,
        concerns: C,
    ) where
        K: Resource + Clone + Debug + Send + Sync + 'static,
        K::DynamicType: Eq + Hash + Clone + Send + Sync,
        C: watch::Concerns<K> + Send + 'static,
    {
        let context = Arc::clone(self.context);
        spawn(self.tasks, self.stop, async move {
            watch::drive(stream, writer, resource, concerns, &context).await;
        });
    }
}

/// Spawns what ends with `stop`, wherever it is.
pub(super) fn spawn(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = task => {}
            () = stop.cancelled() => {}
        }
    });
}
