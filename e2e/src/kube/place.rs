//! A namespace of a test's own, and what is done in it.

use std::fmt;
use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::{DynamicObject, NamespaceResourceScope};
use kube::{Api, Client, Resource};
use serde_json::{Value, json};

use super::awaiting::until;
use super::objects::{self, Condition, api_version, holds, resource};

/// As whom tests apply.
pub const FIELD_MANAGER: &str = "wicketgate-e2e";
/// How long the operator may take for anything that needs no pod to start. Generous: tests assert what
/// happens, and print how long it took.
pub const SOON: Duration = Duration::from_secs(20);
/// How long pods may take to come, go or be replaced.
pub const PODS: Duration = Duration::from_secs(90);

/// A namespace.
#[derive(Clone)]
pub struct Place {
    /// A client of the API server.
    pub client: Client,
    /// The namespace's name.
    pub namespace: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.namespace).finish()
    }
}

impl Place {
    /// Objects of this kind in the namespace.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(kind))
    }

    /// Objects of this type in the namespace.
    pub fn typed<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The same in another namespace.
    pub fn elsewhere(&self, namespace: &str) -> Self {
        Self { client: self.client.clone(), namespace: namespace.to_owned() }
    }

    /// Applies an object, or says why the API server does not take it.
    ///
    /// # Errors
    /// The API server's message.
    pub async fn try_apply(&self, object: Value) -> Result<DynamicObject, String> {
        let (Some(kind), Some(name)) = (object["kind"].as_str(), object["metadata"]["name"].as_str()) else {
            return Err(format!("an object needs kind and metadata.name: {object}"));
        };
        let (api, name) = (self.api(kind), name.to_owned());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(&name, &params, &Patch::Apply(object)).await.map_err(|error| match error {
            kube::Error::Api(status) => status.message.clone(),
            error => format!("{error:?}"),
        })
    }

    /// Applies an object.
    ///
    /// # Panics
    /// When the API server does not take it.
    pub async fn apply(&self, object: Value) -> DynamicObject {
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        self.try_apply(object).await.unwrap_or_else(|error| panic!("apply {name}: {error}"))
    }

    /// Changes an object by a merge patch, as somebody who edits it by hand.
    ///
    /// # Panics
    /// When the API server does not take it.
    pub async fn edit(&self, kind: &str, name: &str, change: Value) -> DynamicObject {
        let params = PatchParams { field_manager: Some("by-hand".to_owned()), ..PatchParams::default() };
        let edited = self.api(kind).patch(name, &params, &Patch::Merge(change)).await;
        edited.unwrap_or_else(|error| panic!("edit {kind} {name}: {error}"))
    }

    /// The object of this name, if it is there.
    ///
    /// # Panics
    /// When the API server does not say.
    pub async fn get(&self, kind: &str, name: &str) -> Option<DynamicObject> {
        let found = self.api(kind).get_opt(name).await;
        found.unwrap_or_else(|error| panic!("get {kind} {name}: {error}"))
    }

    /// The names of all objects of this kind.
    ///
    /// # Panics
    /// When the API server does not say.
    pub async fn names(&self, kind: &str) -> Vec<String> {
        let all = self.api(kind).list(&Default::default()).await;
        let all = all.unwrap_or_else(|error| panic!("list {kind}: {error}"));
        all.items.iter().map(kube::ResourceExt::name_any).collect()
    }

    /// Deletes an object; what is not there is deleted.
    ///
    /// # Panics
    /// When the API server does not do it.
    pub async fn delete(&self, kind: &str, name: &str) {
        match self.api(kind).delete(name, &DeleteParams::background()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => panic!("delete {kind} {name}: {error}"),
        }
    }

    /// Applies a RateLimitCluster whose pods are small and leave quickly; `spec` says the rest, and wins.
    ///
    /// # Panics
    /// When the API server does not take it.
    pub async fn cluster(&self, name: &str, spec: Value) -> DynamicObject {
        self.apply(cluster(name, spec)).await
    }

    /// Applies a RateLimit of `spec`.
    ///
    /// # Panics
    /// When the API server does not take it.
    pub async fn limit(&self, name: &str, spec: Value) -> DynamicObject {
        self.apply(limit(name, spec)).await
    }

    /// Awaits a condition that is about the object as it is now.
    ///
    /// # Panics
    /// When it does not come within `deadline`.
    pub async fn condition(
        &self,
        (kind, name): (&str, &str),
        (condition, status): (&str, &str),
        deadline: Duration,
    ) -> Condition {
        let what = format!("{kind} {name} says {condition}={status}");
        until(&self.api(kind), name, &what, deadline, |object| holds(object, condition, status)).await
    }

    /// Awaits that a limit is in force on every pod, by its status.
    ///
    /// # Panics
    /// When it is not, in time.
    pub async fn programmed(&self, limit: &str) -> Condition {
        self.condition(("RateLimit", limit), ("Programmed", "True"), SOON).await
    }

    /// Awaits that a limit is not accepted, for this reason; returns the message.
    ///
    /// # Panics
    /// When it is, for too long.
    pub async fn refused(&self, limit: &str, reason: &str) -> String {
        let what = format!("RateLimit {limit} says Accepted=False, {reason}");
        until(&self.api("RateLimit"), limit, &what, SOON, |object| {
            let found = holds(object, "Accepted", "False")?;
            if found.reason == reason { Ok(found.message) } else { Err(format!("{found:?}")) }
        })
        .await
    }

    /// Awaits that a cluster is degraded, for this reason; returns the message.
    ///
    /// # Panics
    /// When it is not, in time.
    pub async fn degraded(&self, cluster: &str, reason: &str) -> String {
        let what = format!("RateLimitCluster {cluster} says Degraded=True, {reason}");
        until(&self.api("RateLimitCluster"), cluster, &what, SOON, |object| {
            let found = holds(object, "Degraded", "True")?;
            if found.reason == reason { Ok(found.message) } else { Err(format!("{found:?}")) }
        })
        .await
    }

    /// Awaits that a cluster is as declared: all its pods are ready and run the newest document.
    ///
    /// # Panics
    /// When it is not, in time.
    pub async fn ready(&self, cluster: &str) -> Condition {
        self.condition(("RateLimitCluster", cluster), ("Ready", "True"), PODS).await
    }

    /// Awaits that an object is gone.
    ///
    /// # Panics
    /// When it is still there at `deadline`.
    pub async fn gone(&self, kind: &str, name: &str, deadline: Duration) {
        let what = format!("{kind} {name} is gone");
        until(&self.api(kind), name, &what, deadline, |object| match object {
            None => Ok(()),
            Some(object) => Err(format!("it is there, deleted at {:?}", object.metadata.deletion_timestamp)),
        })
        .await;
    }

    /// Awaits that an object is there and is as `look` wants it.
    ///
    /// # Panics
    /// When it is not, in time.
    pub async fn seen<T>(
        &self,
        (kind, name): (&str, &str),
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&DynamicObject) -> Option<T>,
    ) -> T {
        let what = format!("{kind} {name}: {what}");
        until(&self.api(kind), name, &what, deadline, |object| {
            let object = object.ok_or_else(|| "it is not there".to_owned())?;
            look(object).ok_or_else(|| object.data.to_string())
        })
        .await
    }
}

/// A RateLimitCluster whose pods are small and leave quickly; `spec` says the rest, and wins.
pub fn cluster(name: &str, spec: Value) -> Value {
    let mut whole = json!({
        "replicas": 1,
        "capacity": 10_000,
        "drain": {"delay": "1s", "timeout": "5s"},
        "podTemplate": {"spec": {"containers": [
            {"name": "daemon", "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}},
        ]}},
    });
    lay_over(&mut whole, spec);
    json!({
        "apiVersion": api_version("RateLimitCluster"),
        "kind": "RateLimitCluster",
        "metadata": {"name": name},
        "spec": whole,
    })
}

/// A RateLimit of the cluster `main` with 5 hits a minute; `spec` says the rest, and wins.
pub fn limit(name: &str, spec: Value) -> Value {
    let mut whole = json!({"clusterRef": {"name": "main"}, "limit": 5, "duration": "1m"});
    lay_over(&mut whole, spec);
    json!({
        "apiVersion": objects::api_version("RateLimit"),
        "kind": "RateLimit",
        "metadata": {"name": name},
        "spec": whole,
    })
}

/// Sets the fields of `top`; null takes one away.
pub(super) fn lay_over(whole: &mut Value, top: Value) {
    let (Some(whole), Value::Object(top)) = (whole.as_object_mut(), top) else { return };
    for (field, value) in top {
        if value.is_null() {
            whole.remove(&field);
        } else {
            whole.insert(field, value);
        }
    }
}
