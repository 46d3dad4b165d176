//! The product on a real Kubernetes: one module for each promise. Without `KUBECONFIG` they are skipped, and
//! say so; `make e2e` starts a cluster for them.

mod limits_travel;
mod outages;
mod quickstart;
mod release;
mod scaling;
mod thousand;
