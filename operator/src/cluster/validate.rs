//! From a RateLimitCluster as it is stored to one that can be built. Pure: no client.
//!
//! The API server has checked schema and CEL rules; here stands what those cannot say, and what an
//! object stored under an older definition may break. Everything that is wrong is found at once.

use crds::{
    cluster::{Autoscaling, LogFormat, LogLevel, PullPolicy, RateLimitCluster, ServiceSpec},
    document::StartSettings,
    duration::GoDuration,
    reference::ObjectName,
};
use k8s_openapi::{api::core::v1::PodTemplateSpec, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::Resource;

pub(super) use self::problem::Findings;
pub use self::problem::{Invalid, Problem};
use super::overlay;
use crate::names::{ClusterName, ImageReference};

mod bounds;
mod image;
mod problem;
mod serving;

/// What the operator brings along, from its own settings and from the Kubernetes that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The daemon's image where a cluster names none.
    pub daemon_image: ImageReference,
    /// When that image is pulled; none leaves it to the clusters.
    pub daemon_pull_policy: Option<PullPolicy>,
    /// Whether this Kubernetes knows ServiceMonitors.
    pub service_monitor: bool,
    /// Whether Secrets that policies name may be read.
    pub secrets: bool,
}

/// How many pods a cluster has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As many as the spec says.
    Fixed(i32),
    /// As many as an autoscaler says.
    Auto(Autoscaling),
}

/// How a pod leaves, in what Kubernetes counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainTimes {
    /// Whole seconds for which a pod serves on, though not ready.
    pub delay_seconds: i64,
    /// Longest time for finishing what is in flight after that.
    pub timeout: GoDuration,
}

impl DrainTimes {
    /// Seconds that are left for the process itself to end.
    const SLACK_SECONDS: i64 = 5;

    /// Seconds after which the kubelet kills a pod that has not ended.
    #[must_use]
    pub fn grace_seconds(self) -> i64 {
        self.delay_seconds + whole_seconds(self.timeout) + Self::SLACK_SECONDS
    }
}

/// Who a cluster is, whatever else is wrong with it: enough to tell its pods a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub(super) name: ClusterName,
    pub(super) namespace: String,
    pub(super) owner: OwnerReference,
}

impl Identity {
    /// Who `cluster` is; nothing where its name cannot be that of its children.
    #[must_use]
    pub fn of(cluster: &RateLimitCluster) -> Option<Self> {
        let (name, namespace, owner) = identity(cluster, &mut Findings::default())?;
        Some(Self { name, namespace, owner })
    }

    /// The cluster's name.
    #[must_use]
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// Who owns the children.
    #[must_use]
    pub fn owner(&self) -> &OwnerReference {
        &self.owner
    }
}

/// A cluster about which nothing is left to be found wrong: [`build`](super::build::build) cannot
/// fail on it. Only [`validate`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedCluster {
    pub(super) name: ClusterName,
    pub(super) namespace: String,
    pub(super) owner: OwnerReference,
    pub(super) image: ImageReference,
    pub(super) pull_policy: PullPolicy,
    pub(super) pull_secrets: Vec<String>,
    pub(super) scale: Scale,
    pub(super) settings: StartSettings,
    pub(super) log_level: LogLevel,
    pub(super) log_format: LogFormat,
    pub(super) service: ServiceSpec,
    pub(super) max_unavailable: i32,
    pub(super) drain: DrainTimes,
    /// None where none is wanted, or where there can be none.
    pub(super) scrape_interval: Option<GoDuration>,
    /// Whether its pods get what policies need of Secrets.
    pub(super) credentials: bool,
    pub(super) overlay: PodTemplateSpec,
    warnings: Vec<Problem>,
}

impl ValidatedCluster {
    /// The cluster's name.
    #[must_use]
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// The namespace of the cluster and of all its children.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Who owns the children.
    #[must_use]
    pub fn owner(&self) -> &OwnerReference {
        &self.owner
    }

    /// How many pods there are to be.
    #[must_use]
    pub fn scale(&self) -> &Scale {
        &self.scale
    }

    /// The replicas to render. An autoscaler's StatefulSet has none of ours once it `exists`.
    #[must_use]
    pub fn replicas(&self, exists: bool) -> Option<i32> {
        match &self.scale {
            Scale::Fixed(replicas) => Some(*replicas),
            Scale::Auto(_) if exists => None,
            Scale::Auto(autoscaling) => Some(autoscaling.min_replicas),
        }
    }

    /// What works and is still worth telling.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

/// Checks all of a cluster.
///
/// # Errors
/// With everything that is wrong, if anything is.
pub fn validate(cluster: &RateLimitCluster, environment: &Environment) -> Result<ValidatedCluster, Invalid> {
    let spec = &cluster.spec;
    let mut findings = Findings::default();
    let identity = identity(cluster, &mut findings);
    let image = image::choose(&spec.image, environment, &mut findings);
    bounds::check(spec, &mut findings);
    serving::check(spec, environment, &mut findings);
    let drain = DrainTimes { delay_seconds: whole_seconds(spec.drain.delay), timeout: spec.drain.timeout };
    let overlay = overlay::parse(&spec.pod_template, spec, drain, &mut findings);
    let (Some((name, namespace, owner)), Some(image), Some(overlay), Findings { problems, warnings, .. }) =
        (identity, image, overlay, &mut findings)
    else {
        return Err(findings.into_invalid());
    };
    if !problems.is_empty() {
        return Err(findings.into_invalid());
    }
    Ok(ValidatedCluster {
        name,
        namespace,
        owner,
        pull_policy: image::pull_policy(&spec.image, environment),
        image,
        pull_secrets: spec.image_pull_secrets.iter().map(|secret| secret.name.clone()).collect(),
        scale: spec.autoscaling.clone().map_or(Scale::Fixed(spec.replicas), Scale::Auto),
        settings: StartSettings::from(spec),
        log_level: spec.logging.level,
        log_format: spec.logging.format,
        service: spec.service.clone(),
        max_unavailable: spec.disruption.max_unavailable,
        drain,
        scrape_interval: (spec.service_monitor.enabled && environment.service_monitor)
            .then_some(spec.service_monitor.interval),
        credentials: environment.secrets,
        overlay,
        warnings: std::mem::take(warnings),
    })
}

/// Who the cluster is, and by which reference its children are its own.
fn identity(
    cluster: &RateLimitCluster,
    findings: &mut Findings,
) -> Option<(ClusterName, String, OwnerReference)> {
    let ObjectName { namespace, name } = ObjectName::of(&cluster.metadata);
    let checked = match ClusterName::new(&name, &namespace) {
        Ok(checked) => Some(checked),
        Err(error) => {
            findings.refuse("metadata.name", &name, error);
            None
        }
    };
    let owner = cluster.controller_owner_ref(&());
    if owner.is_none() {
        findings.refuse("metadata.uid", "", "only an object that the API server has stored can own others");
    }
    // A foreground deletion of the cluster then waits for its children.
    let owner = OwnerReference { block_owner_deletion: Some(true), ..owner? };
    Some((checked?, namespace, owner))
}

/// Whole seconds, rounded up; the bounds keep them small.
fn whole_seconds(duration: GoDuration) -> i64 {
    let duration = duration.get();
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
