//! The pod template's overlay: what a person lays over the template that we render.
//!
//! Maps and lists with keys are merged, all else is replaced, as with a strategic merge. What would
//! take the daemon from its ring is refused by name, and so is a field that does not exist: a
//! typing error must not pass for a setting.

use crds::cluster::RateLimitClusterSpec;
use k8s_openapi::{DeepMerge, api::core::v1::PodTemplateSpec};
use serde_json::{Map, Value};

use super::validate::{DrainTimes, Findings};
use crate::names::DAEMON_CONTAINER;

mod resources;
mod rules;
mod shape;

/// Where the overlay is.
const FIELD: &str = "spec.podTemplate";

/// Reads an overlay; none where it is refused, or in part.
pub(super) fn parse(
    overlay: &Map<String, Value>,
    spec: &RateLimitClusterSpec,
    drain: DrainTimes,
    findings: &mut Findings,
) -> Option<PodTemplateSpec> {
    let template = shape::read(overlay, findings)?;
    rules::check(&template, drain, findings);
    resources::check(&template, spec, findings);
    Some(template)
}

/// Lays `overlay` over `template`.
pub(super) fn lay(template: &mut PodTemplateSpec, overlay: &PodTemplateSpec) {
    template.merge_from(overlay.clone());
    let daemon = template
        .spec
        .iter_mut()
        .flat_map(|spec| &mut spec.containers)
        .find(|container| container.name == DAEMON_CONTAINER);
    if let Some(daemon) = daemon
        && let Some(rendered) = &mut daemon.resources
    {
        resources::fit(rendered, overlay);
    }
}

#[cfg(test)]
mod tests;
