//! Server-side apply of what was built, and deletion of what is not wanted any more.
//!
//! An object is sent only when we want something else than before, or when somebody has changed what
//! the API server made of it. So a cluster at rest costs no calls, and foreign edits are put back.

use crds::{cluster::RateLimitCluster, reference::ObjectName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Client, Resource as _, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::DynamicObject,
};

use super::{
    build::{Named, Prepared},
    memory::{Applied, Memory},
};
use crate::{
    cache::Caches,
    fingerprint,
    names::{FIELD_MANAGER, REPLICAS_MANAGER},
};

/// Why an object is not as we want it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It is somebody else's.
    #[error(
        "{kind} {name} is there already and does not belong to this cluster: delete or rename it, or give the cluster another name"
    )]
    Foreign {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// It is that of a cluster of the same name that was deleted a moment ago.
    #[error("{kind} {name} of an earlier cluster of this name is still being removed")]
    Leaving {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The API server does not take it, and will not take it the next time.
    #[error("the API server refuses {kind} {name}: {message}")]
    Refused {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What it says.
        message: String,
    },
    /// The API server cannot be reached, or is busy.
    #[error("{verb} of {kind} {name} failed: {cause}")]
    Failed {
        /// What was tried.
        verb: &'static str,
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// What went wrong.
        cause: Box<kube::Error>,
    },
}

impl ApplyError {
    fn of(verb: &'static str, kind: &str, name: &str, cause: kube::Error) -> Self {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        match cause {
            // What is invalid or forbidden stays so until somebody does something about it.
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
                Self::Refused { kind, name, message: status.message.clone() }
            }
            cause => Self::Failed { verb, kind, name, cause: Box::new(cause) },
        }
    }
}

/// Applies the objects of one cluster.
pub(crate) struct Applier<'a> {
    /// The API server.
    pub client: &'a Client,
    /// What the watches have seen.
    pub caches: &'a Caches,
    /// The cluster.
    pub cluster: &'a ObjectName,
    /// Its uid.
    pub uid: &'a str,
    /// What was applied before.
    pub memory: &'a mut Memory,
}

impl Applier<'_> {
    /// Applies `wanted` in its order.
    ///
    /// # Errors
    /// With the first object that is not taken. Those after it are left as they are, since they may
    /// depend on it.
    pub(crate) async fn apply(&mut self, wanted: &[Prepared]) -> Result<(), ApplyError> {
        for prepared in wanted {
            self.apply_one(prepared).await?;
        }
        Ok(())
    }

    async fn apply_one(&mut self, prepared: &Prepared) -> Result<(), ApplyError> {
        let Named { resource, name, .. } = &prepared.target;
        let kind = &resource.kind;
        let key = (resource.plural.clone(), name.clone());
        let wanted = prepared.hash();
        let seen = self.seen(&resource.plural, name);
        let known = self.memory.applied.get(&key);
        if let Some(known) = known.filter(|known| known.wanted == wanted) {
            let unwatched = !self.caches.children.contains_key(&resource.plural);
            let made = seen.as_ref().and_then(|seen| fingerprint::of_trimmed(seen));
            if unwatched || made == Some(known.made) {
                return Ok(());
            }
        }
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.cluster.namespace, resource);
        match seen {
            Some(seen) => self.must_be_ours(&*seen, kind)?,
            None => {
                let there = api.get_metadata_opt(name).await;
                let there = there.map_err(|cause| ApplyError::of("reading", kind, name, cause))?;
                if let Some(there) = there {
                    self.must_be_ours(&there, kind)?;
                }
            }
        }
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let made = api.patch(name, &params, &Patch::Apply(&prepared.body)).await;
        let made = made.map_err(|cause| ApplyError::of("applying", kind, name, cause))?;
        let applied = Applied {
            wanted,
            made: fingerprint::of_object(&made),
            generation: made.metadata.generation,
            version: made.metadata.resource_version,
        };
        self.memory.applied.insert(key, applied);
        tracing::debug!(cluster = %self.cluster, kind, name, "applied");
        Ok(())
    }

    /// Deletes those of `absent` that are there and are the cluster's.
    ///
    /// # Errors
    /// Where something cannot be deleted.
    pub(crate) async fn delete(&mut self, absent: &[Named]) -> Result<(), ApplyError> {
        for Named { resource, name, .. } in absent {
            let key = (resource.plural.clone(), name.clone());
            let watched = self.caches.children.contains_key(&resource.plural);
            let uid = match self.seen(&resource.plural, name) {
                Some(object) if self.is_ours(&*object) => object.uid(),
                // What nobody watches is there if we have made it.
                None if !watched && self.memory.applied.contains_key(&key) => None,
                _ => continue,
            };
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &self.cluster.namespace, resource);
            let preconditions = Preconditions { uid, ..Preconditions::default() };
            let params = DeleteParams::background().preconditions(preconditions);
            match api.delete(name, &params).await {
                Ok(_) => tracing::info!(cluster = %self.cluster, kind = resource.kind, name, "deleted"),
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(cause) => return Err(ApplyError::of("deleting", &resource.kind, name, cause)),
            }
            self.memory.applied.remove(&key);
        }
        Ok(())
    }

    /// Makes sure that what nobody watches is sent again, if somebody has changed it since we sent it.
    ///
    /// # Errors
    /// Where the API server does not answer.
    pub(crate) async fn look_at(&mut self, target: &Named) -> Result<(), ApplyError> {
        let Named { resource, name, .. } = target;
        let key = (resource.plural.clone(), name.clone());
        let Some(known) = self.memory.applied.get(&key) else { return Ok(()) };
        let there = self.api(target).get_metadata_opt(name).await;
        let there = there.map_err(|cause| ApplyError::of("reading", &resource.kind, name, cause))?;
        if there.and_then(|there| there.metadata.resource_version) != known.version {
            self.memory.applied.remove(&key);
        }
        Ok(())
    }

    /// Deletes what nobody watches, if it is there and is the cluster's.
    ///
    /// # Errors
    /// Where the API server does not answer, or it cannot be deleted.
    pub(crate) async fn delete_unwatched(&mut self, target: &Named) -> Result<(), ApplyError> {
        let Named { resource, name, .. } = target;
        let there = self.api(target).get_metadata_opt(name).await;
        let there = there.map_err(|cause| ApplyError::of("reading", &resource.kind, name, cause))?;
        if there.is_some_and(|there| self.is_ours(&there)) {
            let key = (resource.plural.clone(), name.clone());
            let unknown = Applied { wanted: 0, made: 0, generation: None, version: None };
            self.memory.applied.entry(key).or_insert(unknown);
            self.delete(std::slice::from_ref(target)).await?;
        }
        Ok(())
    }

    fn api(&self, target: &Named) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.cluster.namespace, &target.resource)
    }

    /// Leaves the number of replicas to an autoscaler: if nobody but us held it when we stop applying
    /// it, the API server would set it to its default, which is 1.
    ///
    /// # Errors
    /// Where the API server does not take it.
    pub(crate) async fn hand_over_replicas(&self, held: &Prepared) -> Result<(), ApplyError> {
        let Named { resource, name, .. } = &held.target;
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.cluster.namespace, resource);
        let params = PatchParams::apply(REPLICAS_MANAGER).force();
        let applied = api.patch(name, &params, &Patch::Apply(&held.body)).await;
        applied.map(drop).map_err(|cause| ApplyError::of("applying", &resource.kind, name, cause))
    }

    fn seen(&self, plural: &str, name: &str) -> Option<std::sync::Arc<DynamicObject>> {
        let name = ObjectName { namespace: self.cluster.namespace.clone(), name: name.to_owned() };
        self.caches.children.get(plural)?.get(&name)
    }

    /// Whether an object belongs to the cluster, and is to stay there.
    fn is_ours(&self, object: &impl ResourceExt) -> bool {
        owned_by(object, self.uid) && object.meta().deletion_timestamp.is_none()
    }

    fn must_be_ours(&self, there: &impl ResourceExt, kind: &str) -> Result<(), ApplyError> {
        if owned_by(there, self.uid) {
            return Ok(());
        }
        let earlier = |owner: &OwnerReference| {
            owner.kind == RateLimitCluster::kind(&()) && owner.name == self.cluster.name
        };
        if there.owner_references().iter().any(earlier) {
            return Err(ApplyError::Leaving { kind: kind.to_owned(), name: there.name_any() });
        }
        Err(ApplyError::Foreign { kind: kind.to_owned(), name: there.name_any() })
    }
}

/// Whether an object belongs to the cluster with this uid.
pub(super) fn owned_by(object: &(impl ResourceExt + ?Sized), uid: &str) -> bool {
    object.owner_references().iter().any(|owner| owner.uid == uid && owner.controller == Some(true))
}
