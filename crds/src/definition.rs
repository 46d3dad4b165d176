//! The CustomResourceDefinitions: what they contain, and their YAML.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{backpressure::BackpressurePolicy, cluster::RateLimitCluster, limit::RateLimit};

/// The API group of the three kinds.
pub const GROUP: &str = "wicketgate.dev";
/// The version of the three kinds.
pub const VERSION: &str = "v1alpha1";
/// The largest double up to which every whole number has one of its own: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// What stands in `apiVersion` of the three kinds.
pub const API_VERSION: &str = "wicketgate.dev/v1alpha1";

/// One of the kinds that a cluster stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A cluster of daemons.
    RateLimitCluster,
    /// One named limit.
    RateLimit,
    /// A backpressured listener.
    BackpressurePolicy,
}

impl Kind {
    /// All kinds, in the order in which they are documented.
    pub const ALL: [Self; 3] = [Self::RateLimitCluster, Self::RateLimit, Self::BackpressurePolicy];

    /// What stands in `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimitCluster => "RateLimitCluster",
            Self::RateLimit => "RateLimit",
            Self::BackpressurePolicy => "BackpressurePolicy",
        }
    }

    /// The plural, which begins the definition's name.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::RateLimitCluster => "ratelimitclusters",
            Self::RateLimit => "ratelimits",
            Self::BackpressurePolicy => "backpressurepolicies",
        }
    }

    /// The definition as the API server takes it.
    pub fn definition(self) -> CustomResourceDefinition {
        match self {
            Self::RateLimitCluster => RateLimitCluster::crd(),
            Self::RateLimit => RateLimit::crd(),
            Self::BackpressurePolicy => BackpressurePolicy::crd(),
        }
    }

    /// The definition as a value, ready to be written: whole numbers without a fraction.
    pub fn definition_value(self) -> &'static Value {
        static VALUES: LazyLock<[Value; 3]> = LazyLock::new(|| {
            Kind::ALL.map(|kind| {
                let mut value = serde_json::to_value(kind.definition()).unwrap_or(Value::Null);
                tidy(&mut value);
                value
            })
        });
        &VALUES[self as usize]
    }

    /// The schema of the kind's objects (OpenAPI v3, structural).
    pub fn schema(self) -> &'static Value {
        &self.definition_value()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    }
}

/// Annotations that the definitions carry beside what the types say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// For `kubectl apply`.
    Kubectl,
    /// For a Helm chart: uninstalling the chart must not delete what people declared.
    Chart,
}

/// Why a definition could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the definition of {kind} as YAML")]
pub struct RenderError {
    kind: &'static str,
    source: serde_yaml::ser::Error,
}

/// The definition as a YAML document that says where it comes from, without the marker that begins
/// one.
pub fn render(kind: Kind, destination: Destination) -> Result<String, RenderError> {
    let mut value = kind.definition_value().clone();
    if destination == Destination::Chart {
        value["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    }
    let yaml = serde_yaml::to_string(&value).map_err(|source| RenderError { kind: kind.as_str(), source })?;
    Ok(format!(
        "# Generated from the types in crds/src: change those, then run `cargo run -p wicketgate-crds`.\n{yaml}"
    ))
}

/// All definitions as one YAML stream, for `kubectl apply -f -`.
pub fn render_all(destination: Destination) -> Result<String, RenderError> {
    let mut all = String::new();
    for kind in Kind::ALL {
        all.push_str("---\n");
        all.push_str(&render(kind, destination)?);
    }
    Ok(all)
}

/// Bounds are doubles in the API's types; `1.0` and `1` are the same to the API server, and people
/// read the latter. Line breaks of doc comments mean nothing in a description.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(text) if name == "description" => *text = text.replace('\n', " "),
                    field => tidy(field),
                }
            }
        }
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() <= EXACT
            {
                // Checked above: a whole number that both types hold.
                *value = json!(float as i64);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
