//! An overlay that changes what the daemon asks for, and what becomes of the rest of it.

use crds::cluster::RateLimitClusterSpec;
use k8s_openapi::{
    api::core::v1::{PodTemplateSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{
    super::{build::sizing, quantity::milli, validate::Findings},
    FIELD,
};
use crate::names::DAEMON_CONTAINER;

const MEMORY: &str = "memory";
const CPU: &str = "cpu";

/// What the overlay says of the daemon's resources.
fn of(overlay: &PodTemplateSpec) -> Option<&ResourceRequirements> {
    let containers = overlay.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .filter(|container| container.name == DAEMON_CONTAINER)
        .find_map(|daemon| daemon.resources.as_ref())
}

fn request<'a>(resources: &'a ResourceRequirements, name: &str) -> Option<&'a Quantity> {
    resources.requests.as_ref()?.get(name)
}

fn limit<'a>(resources: &'a ResourceRequirements, name: &str) -> Option<&'a Quantity> {
    resources.limits.as_ref()?.get(name)
}

/// Tells of a limit that a full table outgrows, and of an autoscaler that aims at next to nothing.
pub(super) fn check(overlay: &PodTemplateSpec, spec: &RateLimitClusterSpec, findings: &mut Findings) {
    let field = |part: &str| format!("{FIELD}.spec.containers[{DAEMON_CONTAINER}].resources.{part}");
    let resources = of(overlay);
    let needed = sizing::memory_mib(spec.capacity);
    if let Some(limit) = resources.and_then(|resources| limit(resources, MEMORY))
        && milli(&limit.0).is_some_and(|limit| limit < i128::from(needed) * 1_024 * 1_024 * 1_000)
    {
        let remedy = format!(
            "with {} buckets (spec.capacity) a pod comes to about {needed}Mi and would be killed before it is full: raise the one or lower the other",
            spec.capacity
        );
        findings.warn(field("limits.memory"), &limit.0, remedy);
    }
    if let Some(autoscaling) = &spec.autoscaling
        && resources
            .is_none_or(|resources| request(resources, CPU).is_none() && limit(resources, CPU).is_none())
    {
        let remedy = format!(
            "the autoscaler aims at {}% of it, which is little: request in the overlay what a pod shall use",
            autoscaling.target_cpu_utilization_percentage
        );
        findings.warn(field("requests.cpu"), sizing::CPU, remedy);
    }
}

/// Where the overlay names a request or a limit and the other of the pair is ours, ours follows: a
/// request above its limit is refused by the API server, and the person has named only one of them.
pub(super) fn fit(rendered: &mut ResourceRequirements, overlay: &PodTemplateSpec) {
    let Some(wanted) = of(overlay) else { return };
    for name in [CPU, MEMORY] {
        let (Some(asked), Some(most)) = (request(rendered, name).cloned(), limit(rendered, name).cloned())
        else {
            continue;
        };
        if milli(&asked.0).zip(milli(&most.0)).is_none_or(|(asked, most)| asked <= most) {
            continue;
        }
        match (request(wanted, name).is_some(), limit(wanted, name).is_some()) {
            (false, true) => rendered.requests.get_or_insert_default().insert(name.to_owned(), most),
            (true, false) => rendered.limits.get_or_insert_default().insert(name.to_owned(), asked),
            _ => None,
        };
    }
}
