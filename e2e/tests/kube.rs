//! The product on a real Kubernetes: one module for each promise. Without `KUBECONFIG` they are skipped, and
//! say so; `make e2e` starts a cluster for them.

mod autoscaling;
mod backpressure;
mod bad_resources;
mod deletion;
mod examples;
mod foreign_edits;
mod large_document;
mod limits_travel;
mod outages;
mod pod_template;
mod quickstart;
mod rbac;
mod refused_document;
mod release;
mod scaling;
mod tenancy;
mod thousand;
