//! What a Kubernetes cluster stores for Wicketgate: the three kinds, the document that the daemons
//! run, and their YAML.
//!
//! - [`cluster`], [`limit`], [`backpressure`]: `RateLimitCluster`, `RateLimit` and
//!   `BackpressurePolicy`, group `wicketgate.dev`, version `v1alpha1`.
//! - [`manifest`]: reads files of such objects, strictly, and names every problem with its place.
//! - [`fold`](mod@fold): turns the objects of one cluster into its [`document`].
//! - [`part`]: a document in ConfigMaps; [`report`]: what a daemon says of itself; [`credentials`]: what
//!   of other Secrets its pods need.
//! - [`definition`]: the CustomResourceDefinitions themselves, as YAML; [`guide`]: the same for
//!   people; [`generate`]: the files in which both are committed.
//!
//! Nothing here talks to an API server.

#![allow(
    unreachable_pub,
    reason = "KubeSchema repeats each struct inside a function, where pub reaches nobody"
)]
#![allow(clippy::duplicated_attributes, reason = "each printer column has a name and a type")]

pub mod backpressure;
pub mod cluster;
pub mod condition;
pub mod credentials;
pub mod decimal;
pub mod definition;
pub mod document;
pub mod duration;
pub mod fold;
pub mod generate;
pub mod guide;
pub mod limit;
pub mod manifest;
pub mod part;
pub mod reference;
pub mod report;
