//! The cluster that came with the installation: a RateLimitCluster in a ConfigMap, applied by whoever
//! leads.
//!
//! A chart cannot hold it as an object of its own, since the definitions come with the same chart
//! (docs/adr/0010-first-cluster.md). The ConfigMap owns the cluster, so whoever deletes the one
//! deletes the other. A cluster that somebody else made is never taken over.

mod manifest;

use std::{fmt, time::Duration};

use crds::{cluster::RateLimitCluster, reference::ObjectName};
use k8s_openapi::{
    api::core::v1::{ConfigMap, ObjectReference},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Resource as _,
    api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams},
};
use tokio_util::sync::CancellationToken;

use self::manifest::Manifest;
use crate::{
    backoff,
    causes::chain,
    events::{Events, Reason},
    random,
};

/// Who applies it: another than who reconciles it, so that each has its own fields.
const FIELD_MANAGER: &str = "wicketgate-chart";
/// Fields that the API server does not know are a mistake, not something to leave out.
const STRICT: kube::api::ValidationDirective = kube::api::ValidationDirective::Strict;

/// A ConfigMap with a cluster in it.
pub struct FirstCluster {
    client: Client,
    /// Of the ConfigMap, and of the cluster.
    namespace: String,
    config_map: String,
    events: Events,
}

/// How an attempt ended.
#[derive(Debug)]
enum Attempt {
    /// The cluster is as the ConfigMap says.
    Applied(ObjectName),
    /// There is no such ConfigMap.
    Gone,
    /// What it says cannot be done; only another ConfigMap helps.
    Refused(Box<ObjectReference>, String),
}

/// What may be otherwise soon.
#[derive(Debug, thiserror::Error)]
enum Later {
    #[error("the ConfigMap {0} cannot be read")]
    Read(ObjectName, #[source] kube::Error),
    #[error("the RateLimitCluster {0} cannot be looked up")]
    LookUp(ObjectName, #[source] kube::Error),
    #[error("the RateLimitCluster {0} belongs to a ConfigMap that is gone, and goes with it")]
    Leaving(ObjectName),
    #[error("the RateLimitCluster {0} cannot be applied")]
    Apply(ObjectName, #[source] kube::Error),
}

// A client has nothing to show.
impl fmt::Debug for FirstCluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config_map = self.named(&self.config_map);
        formatter.debug_struct("FirstCluster").field("config_map", &config_map).finish_non_exhaustive()
    }
}

impl FirstCluster {
    /// The cluster in the ConfigMap `config_map` of `namespace`. `events` are told where it is refused.
    #[must_use]
    pub const fn new(client: Client, namespace: String, config_map: String, events: Events) -> Self {
        Self { client, namespace, config_map, events }
    }

    /// Applies it, however often that must be tried, until `stop`.
    pub async fn apply(self, stop: CancellationToken) {
        let mut failures = 0_u32;
        loop {
            let attempt = tokio::select! {
                attempt = self.attempt() => attempt,
                () = stop.cancelled() => return,
            };
            match attempt {
                Ok(outcome) => return self.conclude(outcome),
                Err(later) => {
                    let wait = self::wait(failures);
                    let error = chain(&later);
                    tracing::warn!(error, again_in = ?wait, "the first cluster is not applied yet");
                    failures = failures.saturating_add(1);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = stop.cancelled() => return,
                    }
                }
            }
        }
    }

    fn conclude(&self, outcome: Attempt) {
        match outcome {
            Attempt::Applied(cluster) => tracing::info!(%cluster, "the first cluster is applied"),
            Attempt::Gone => {
                tracing::info!(config_map = self.config_map, "there is no ConfigMap with a first cluster");
            }
            Attempt::Refused(config_map, why) => {
                self.events.tell(&config_map, Reason::ClusterRefused, &why);
            }
        }
    }

    async fn attempt(&self) -> Result<Attempt, Later> {
        let config_maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let config_map = match config_maps.get(&self.config_map).await {
            Ok(config_map) => config_map,
            Err(error) if status(&error) == Some(404) => return Ok(Attempt::Gone),
            Err(error) => return Err(Later::Read(self.named(&self.config_map), error)),
        };
        let refused = |why| Ok(Attempt::Refused(Box::new(config_map.object_ref(&())), why));
        let manifest = match Manifest::read(&config_map, &self.namespace) {
            Ok(manifest) => manifest,
            Err(error) => return refused(error.to_string()),
        };
        let cluster = self.named(&manifest.name);
        match self.existing(&cluster).await? {
            Existing::Free => {}
            Existing::Ours(owner) if Some(&owner) == config_map.metadata.uid.as_ref() => {}
            Existing::Ours(_) => return Err(Later::Leaving(cluster)),
            Existing::Foreign => {
                return refused(format!(
                    "the RateLimitCluster {cluster} exists and was not made by this chart: set cluster.name to \
                     another name, or cluster.create=false to keep it"
                ));
            }
        }
        let body = manifest.owned_by(&config_map);
        let resource = ApiResource::erase::<RateLimitCluster>(&());
        let clusters: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let parameters =
            PatchParams { field_validation: Some(STRICT), ..PatchParams::apply(FIELD_MANAGER).force() };
        match clusters.patch(&cluster.name, &parameters, &Patch::Apply(&body)).await {
            Ok(_) => Ok(Attempt::Applied(cluster)),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
                refused(format!("the API server refuses the RateLimitCluster {cluster}: {}", status.message))
            }
            Err(error) => Err(Later::Apply(cluster, error)),
        }
    }

    /// What there is of that name already.
    async fn existing(&self, cluster: &ObjectName) -> Result<Existing, Later> {
        let clusters: Api<RateLimitCluster> = Api::namespaced(self.client.clone(), &self.namespace);
        match clusters.get_metadata(&cluster.name).await {
            Ok(object) => Ok(Existing::of(&object.metadata, &self.config_map)),
            // Also where the definitions are not established yet.
            Err(error) if status(&error) == Some(404) => Ok(Existing::Free),
            Err(error) => Err(Later::LookUp(cluster.clone(), error)),
        }
    }

    fn named(&self, name: &str) -> ObjectName {
        ObjectName { namespace: self.namespace.clone(), name: name.to_owned() }
    }
}

/// What there is of the cluster's name.
enum Existing {
    Free,
    /// A cluster of a ConfigMap of our name, with its uid.
    Ours(String),
    Foreign,
}

impl Existing {
    fn of(metadata: &ObjectMeta, config_map: &str) -> Self {
        let ours = |owner: &&OwnerReference| owner.kind == "ConfigMap" && owner.name == config_map;
        let owner = metadata.owner_references.iter().flatten().find(ours);
        owner.map_or(Self::Foreign, |owner| Self::Ours(owner.uid.clone()))
    }
}

fn wait(failures: u32) -> Duration {
    backoff::spread(backoff::doubled(backoff::BASE, backoff::CAP, failures), random::bits())
}

/// The status of an answer, where one came.
fn status(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
