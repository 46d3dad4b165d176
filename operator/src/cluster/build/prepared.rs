//! Objects as they are sent.

use std::fmt::{self, Debug};

use k8s_openapi::NamespaceResourceScope;
use kube::{
    Resource, ResourceExt,
    core::{ApiResource, DynamicObject},
};
use serde::Serialize;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

/// An object's place in the API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// Its kind.
    pub resource: ApiResource,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Named {
    /// The object of kind `K` with this name.
    #[must_use]
    pub fn of<K>(namespace: &str, name: &str) -> Self
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Self {
            resource: ApiResource::erase::<K>(&()),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// An object, ready to be applied: the body has all of it and nothing that others own.
#[derive(Clone, PartialEq)]
pub struct Prepared {
    /// Where it goes.
    pub target: Named,
    /// What is sent, `apiVersion` and `kind` included.
    pub body: Value,
    hash: u64,
}

// The body may be a Secret's.
impl Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Prepared {
    /// Prepares an object of a kind that is known when we are compiled.
    ///
    /// # Errors
    /// Where it has no JSON.
    pub fn of<K>(object: &K) -> Result<Self, serde_json::Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + Debug,
    {
        let target = Named::of::<K>(&object.namespace().unwrap_or_default(), &object.name_any());
        Self::new(target, serde_json::to_value(object)?)
    }

    /// Prepares an object of another kind.
    ///
    /// # Errors
    /// Where it has no JSON.
    pub fn dynamic(object: &DynamicObject, resource: ApiResource) -> Result<Self, serde_json::Error> {
        let target =
            Named { resource, namespace: object.namespace().unwrap_or_default(), name: object.name_any() };
        Self::new(target, serde_json::to_value(object)?)
    }

    pub(super) fn new(target: Named, body: Value) -> Result<Self, serde_json::Error> {
        let hash = xxh3_64(&serde_json::to_vec(&body)?);
        Ok(Self { target, body, hash })
    }

    /// A hash of the body: what has been applied with the same one needs no second time.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}
