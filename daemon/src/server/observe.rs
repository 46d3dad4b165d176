//! Tells the metrics of every call, whichever door it came through.

use std::future::Future;
use std::sync::Arc;

use engine::Tick;

use super::grpc::Method;
use crate::clock;
use crate::node::Node;

/// A call that began at `started` is over.
pub(super) fn done(node: &Node, method: Method, started: Tick, ok: bool) {
    let metrics = node.metrics();
    let (methods, durations) = (&metrics.grpc, &metrics.durations);
    let (counted, whole) = match method {
        Method::GetRateLimits => (&methods.get_rate_limits, Some(&durations.get_rate_limits)),
        Method::HealthCheck => (&methods.health_check, None),
        Method::LiveCheck => (&methods.live_check, None),
        Method::GetPeerRateLimits => (&methods.get_peer_rate_limits, Some(&durations.get_peer_rate_limits)),
        Method::UpdatePeerGlobals => (&methods.update_peer_globals, Some(&durations.update_peer_globals)),
    };
    let took = clock::between(started, clock::tick());
    counted.record(ok, took);
    if let Some(whole) = whole {
        whole.observe(took.as_secs_f64());
    }
}

/// A call that waits for other nodes: it is told even where its caller leaves first.
pub(super) struct InFlight {
    node: Arc<Node>,
    method: Method,
    started: Tick,
    ok: bool,
}

impl InFlight {
    pub(super) fn new(node: &Arc<Node>, method: Method, started: Tick) -> Self {
        node.metrics().concurrent_checks.inc();
        Self { node: Arc::clone(node), method, started, ok: false }
    }

    pub(super) async fn watch<T, E>(mut self, answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let answer = answer.await;
        self.ok = answer.is_ok();
        answer
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.node.metrics().concurrent_checks.dec();
        done(&self.node, self.method, self.started, self.ok);
    }
}
