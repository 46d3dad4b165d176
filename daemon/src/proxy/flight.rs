//! One request in the proxy's hands: its place in the window and what the metrics are told when it is
//! over, however it ends.

use std::sync::Arc;

use engine::Tick;
use engine::aimd::{Outcome, Permit};
use http::{HeaderMap, HeaderName, StatusCode};

use super::gate::Gate;
use super::pulse::Beat;
use crate::clock;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// A request that is under way. Dropping it ends it: as given up by its client, unless it was told
/// otherwise.
#[derive(Debug)]
pub struct Flight {
    gate: Arc<Gate>,
    route: usize,
    /// Whether the metrics are told.
    observed: bool,
    began: Tick,
    permit: Option<Permit>,
    /// When the upstream had answered.
    answered: Option<Tick>,
    status: Option<StatusCode>,
    /// What the answer says of the upstream, once all of it has come.
    verdict: Outcome,
    outcome: Outcome,
    /// What keeps its connection alive, where that is ours.
    _beat: Option<Beat>,
}

impl Flight {
    /// A request that has just come; the metrics are told of it where it is `observed`.
    #[must_use]
    pub fn new(gate: Arc<Gate>, route: usize, observed: bool, beat: Option<Beat>) -> Self {
        if observed {
            gate.metrics.active.inc();
        }
        Self {
            gate,
            route,
            observed,
            began: clock::tick(),
            permit: None,
            answered: None,
            status: None,
            verdict: Outcome::Ignored,
            outcome: Outcome::Ignored,
            _beat: beat,
        }
    }

    /// The gate that it came through.
    #[must_use]
    pub const fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// It was let in.
    pub fn admitted(&mut self, permit: Option<Permit>) {
        self.permit = permit;
    }

    /// The upstream has answered.
    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.answered = Some(clock::tick());
        self.status = Some(status);
        let overloaded = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        self.verdict = if overloaded { Outcome::Failure } else { Outcome::Success };
        self.trailers(headers);
    }

    /// What follows the body, or stands before it where there is none, says how a gRPC call ended.
    pub fn trailers(&mut self, trailers: &HeaderMap) {
        // Deadline exceeded, resource exhausted, internal, unavailable.
        let suffers = |code: &[u8]| matches!(code, b"4" | b"8" | b"13" | b"14");
        if trailers.get(GRPC_STATUS).is_some_and(|code| suffers(code.as_bytes())) {
            self.verdict = Outcome::Failure;
        }
    }

    /// We answer ourselves: a refusal, or something that went wrong.
    pub fn replied(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The upstream did not answer, or broke off.
    pub fn fail(mut self) {
        self.outcome = Outcome::Failure;
    }

    /// The same where the reply is still to be sent.
    pub const fn failed(&mut self) {
        self.outcome = Outcome::Failure;
    }

    /// All of the answer has come.
    pub fn complete(mut self) {
        self.outcome = self.verdict;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let now = clock::tick();
        if let Some(permit) = self.permit.take() {
            // Latency is that of the upstream: how fast a client reads says nothing of it.
            permit.finish(self.outcome, self.answered.unwrap_or(now));
        }
        if !self.observed {
            return;
        }
        self.gate.metrics.active.dec();
        let Some(route) = self.gate.metrics.routes.get(self.route) else { return };
        route.requests.inc();
        let took = clock::between(self.began, now);
        route.latency.observe(took.as_millis() as f64);
        let class = self.status.map_or(0, |status| usize::from(status.as_u16() / 100));
        if let Some(responses) = &route.responses
            && let Some(responses) = class.checked_sub(1).and_then(|class| responses.get(class))
        {
            responses.inc();
        }
    }
}
