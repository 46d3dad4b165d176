//! Whom the events of each kind concern.

use std::{collections::HashMap, fmt::Debug};

use crds::reference::ObjectName;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Resource, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::watcher::Event,
};

use crate::ledger::Source;
use crate::{cache::owner_of, context::Context, declared::Declared, wake::Wake, watch::Concerns};

/// RateLimitClusters: each is its own concern. One that is gone takes its verdicts along.
#[derive(Debug)]
pub struct Clusters;

impl<K: Resource<DynamicType = ()> + Debug> Concerns<K> for Clusters {
    fn of(&mut self, event: &Event<K>, context: &Context) -> Vec<Wake> {
        match event {
            Event::Apply(cluster) => vec![Wake::Cluster(ObjectName::of(cluster.meta()))],
            Event::Delete(cluster) => {
                context.forget(&ObjectName::of(cluster.meta())).into_iter().map(Wake::Declared).collect()
            }
            Event::InitDone => {
                let mut wakes = vec![Wake::Clusters, Wake::AllDeclared];
                for gone in context.clusters_gone() {
                    wakes.extend(context.forget(&gone).into_iter().map(Wake::Declared));
                }
                wakes
            }
            Event::Init | Event::InitApply(_) => Vec::new(),
        }
    }
}

/// What is known of an object that names a cluster.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    uid: Option<String>,
    generation: Option<i64>,
    cluster: Option<ObjectName>,
}

/// RateLimits and BackpressurePolicies: each concerns itself, and its cluster when what it says has
/// changed. That we wrote its status concerns no cluster.
#[derive(Debug, Default)]
pub struct DeclaredObjects {
    known: HashMap<ObjectName, Known>,
    fresh: HashMap<ObjectName, Known>,
}

impl<K: Declared> Concerns<DeserializeGuard<K>> for DeclaredObjects {
    fn of(&mut self, event: &Event<DeserializeGuard<K>>, context: &Context) -> Vec<Wake> {
        match event {
            Event::Init => {
                self.fresh.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                let (name, known) = look(object);
                self.fresh.insert(name, known);
                Vec::new()
            }
            Event::InitDone => {
                self.known = std::mem::take(&mut self.fresh);
                let mine = |source: &Source| K::source(source.name().clone()) == *source;
                context.still_there(|source| !mine(source) || self.known.contains_key(source.name()));
                context.declarations_changed();
                vec![Wake::Clusters, Wake::AllDeclared]
            }
            Event::Apply(object) => {
                let (name, known) = look(object);
                let mut wakes = vec![Wake::Declared(K::source(name.clone()))];
                if self.known.get(&name) != Some(&known) {
                    context.declarations_changed();
                    let now = known.cluster.clone();
                    let before = self.known.insert(name, known).and_then(|before| before.cluster);
                    wakes.extend(now.clone().map(Wake::Cluster));
                    wakes.extend(before.filter(|before| Some(before) != now.as_ref()).map(Wake::Cluster));
                }
                wakes
            }
            Event::Delete(object) => {
                let (name, known) = look(object);
                let before = self.known.remove(&name).and_then(|before| before.cluster);
                context.declarations_changed();
                context.gone(&K::source(name));
                before.or(known.cluster).map(Wake::Cluster).into_iter().collect()
            }
        }
    }
}

fn look<K: Declared>(object: &DeserializeGuard<K>) -> (ObjectName, Known) {
    let meta = object.meta();
    let name = ObjectName::of(meta);
    let cluster = object.0.as_ref().ok().map(|object| object.cluster_ref().resolve(&name.namespace));
    (name, Known { uid: meta.uid.clone(), generation: meta.generation, cluster })
}

/// Namespaces: their labels decide who may name which cluster.
#[derive(Debug, Default)]
pub struct Namespaces {
    labels: HashMap<String, u64>,
}

impl Concerns<PartialObjectMeta<Namespace>> for Namespaces {
    fn of(&mut self, event: &Event<PartialObjectMeta<Namespace>>, context: &Context) -> Vec<Wake> {
        let changed = match event {
            Event::Apply(namespace) => {
                let hash = crate::fingerprint::of(namespace.labels());
                self.labels.insert(namespace.name_any(), hash) != Some(hash)
            }
            Event::Delete(namespace) => self.labels.remove(&namespace.name_any()).is_some(),
            Event::Init => {
                self.labels.clear();
                false
            }
            Event::InitApply(namespace) => {
                self.labels.insert(namespace.name_any(), crate::fingerprint::of(namespace.labels()));
                false
            }
            Event::InitDone => true,
        };
        if !changed {
            return Vec::new();
        }
        context.declarations_changed();
        vec![Wake::Clusters]
    }
}

/// What we made: it concerns the cluster for which it was made.
#[derive(Debug)]
pub struct Owned;

impl<K: Resource + Debug> Concerns<K> for Owned {
    fn of(&mut self, event: &Event<K>, _: &Context) -> Vec<Wake> {
        match event {
            Event::Apply(object) | Event::Delete(object) => {
                owner_of(object).map(Wake::Cluster).into_iter().collect()
            }
            Event::InitDone => vec![Wake::Clusters],
            Event::Init | Event::InitApply(_) => Vec::new(),
        }
    }
}
