//! Clusters for tests: `main` in `edge`, as the API server would hand it out.

use std::collections::BTreeSet;

use crds::cluster::RateLimitCluster;
use serde_json::{Value, json};

use super::{
    build::{Resources, build},
    validate::{Environment, ValidatedCluster, validate},
};

/// The cluster with this spec.
pub(crate) fn cluster(spec: Value) -> RateLimitCluster {
    let mut cluster = RateLimitCluster::new("main", serde_json::from_value(spec).unwrap());
    cluster.metadata.namespace = Some("edge".into());
    cluster.metadata.uid = Some("5d2f7c1e-0000-4000-8000-000000000001".into());
    cluster.metadata.generation = Some(1);
    cluster
}

/// An operator with an image of its own, in a Kubernetes with ServiceMonitors.
pub(crate) fn environment() -> Environment {
    Environment {
        daemon_image: "docker.io/wicketgate/wicketgated:1.2.3".parse().unwrap(),
        daemon_pull_policy: None,
        service_monitor: true,
        secrets: true,
    }
}

/// The cluster with this spec, which is right.
pub(super) fn checked(spec: Value) -> ValidatedCluster {
    validate(&cluster(spec), &environment()).unwrap()
}

/// What is wrong with this spec.
pub(super) fn refusals(spec: Value) -> Vec<String> {
    match validate(&cluster(spec), &environment()) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.problems.iter().map(ToString::to_string).collect(),
    }
}

/// What is told of this spec, which is right, beyond what is told of every one.
pub(super) fn warnings(mut spec: Value) -> Vec<String> {
    spec["tls"]["peers"]["mode"] = json!("Disabled");
    checked(spec).warnings().iter().map(ToString::to_string).collect()
}

/// The objects of the cluster with this spec, before any of them is there.
pub(super) fn built(spec: Value) -> Resources {
    let cluster = checked(spec);
    build(&cluster, cluster.replicas(false), &BTreeSet::new())
}
