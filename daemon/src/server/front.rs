//! The gateway's view of a node.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::gubernator::HealthCheckResp;
use tonic::Status;

use super::gateway::Front;
use super::grpc::Method;
use super::observe::{self, InFlight};
use crate::clock;
use crate::limiter::{self, Decided, Service};
use crate::node::Node;

/// A node, for the HTTP door.
#[derive(Clone, Debug)]
pub struct NodeFront(pub Arc<Node>);

impl NodeFront {
    /// These two take no time worth a reading.
    fn observed<T>(&self, method: Method, answer: Result<T, Status>) -> Result<T, Status> {
        observe::done(&self.0, method, clock::tick(), answer.is_ok());
        answer
    }
}

impl Front for NodeFront {
    async fn get_rate_limits(&self, request: Bytes, timeout: Option<Duration>) -> Result<Bytes, Status> {
        let call = InFlight::new(&self.0, Method::GetRateLimits, clock::tick());
        let answer = match limiter::decide(&self.0, Service::Clients, &request, timeout, 0) {
            Decided::Now(answer) => call.watch(std::future::ready(answer)).await,
            Decided::Later(answer) => call.watch(answer).await,
        };
        answer.map(Bytes::from)
    }

    fn health_check(&self) -> Result<HealthCheckResp, Status> {
        self.observed(Method::HealthCheck, self.0.health_check())
    }

    fn live_check(&self) -> Result<(), Status> {
        self.observed(Method::LiveCheck, self.0.live_check())
    }

    fn ready(&self) -> Result<(), String> {
        self.0.ready()
    }

    fn metrics(&self) -> String {
        let scrapes = &self.0.metrics().scrapes;
        match self.0.render_metrics() {
            Ok(text) => {
                scrapes.ok.inc();
                text
            }
            Err(error) => {
                scrapes.failed.inc();
                tracing::error!(%error, "metrics cannot be written down");
                String::new()
            }
        }
    }
}
