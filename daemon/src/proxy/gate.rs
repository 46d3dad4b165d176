//! Who may pass: block rules, rate limits, jitter and the window, in this order.

mod shown;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::aimd::{Criticality, Permit, Pressure, Window};
use engine::jitter;
use http::{HeaderMap, HeaderName};

use super::limits::{self, LimitReply};
use super::policy::Policy;
use super::refusal::{Fault, Refusal};
use super::route::Action;
use crate::clock;
use crate::metrics::{PolicyMetrics, RouteMetrics};
use crate::node::Node;

const CAN_WAIT: HeaderName = HeaderName::from_static("x-can-wait");

/// A policy in force: its windows, and what it counts.
#[derive(Debug)]
pub struct Gate {
    /// What is declared.
    pub policy: Arc<Policy>,
    /// By the places that the routes' actions name.
    pub windows: Vec<Arc<Window>>,
    /// What is counted.
    pub metrics: PolicyMetrics,
    /// Who decides rate limits; none where there are none to ask.
    pub node: Option<Arc<Node>>,
}

/// A request that was let in.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Its place in the window; none where no window was asked.
    pub permit: Option<Permit>,
    /// What is left of the limit that is nearest to its end.
    pub limit: Option<Box<LimitReply>>,
}

/// Why a request is not let in.
#[derive(Clone, Debug)]
pub enum Stop {
    /// It is refused.
    Refused(Refusal),
    /// It makes no sense.
    Fault(Fault),
}

impl Gate {
    /// Asks all that stand before the upstream. A request that `bypasses` is not held up by the window.
    ///
    /// # Errors
    /// Why the request is not forwarded.
    pub async fn admit(
        &self,
        action: &Action,
        headers: &HeaderMap,
        client: IpAddr,
        bypasses: bool,
    ) -> Result<Admitted, Stop> {
        let window = match action {
            // As in throttle-proxy: what passes through meets nothing at all.
            Action::PassThrough | Action::Answer(_) => return Ok(Admitted::default()),
            Action::Deny => return Err(Stop::Refused(Refusal::Denied)),
            Action::Protect(window) => self.windows.get(*window),
        };
        if !self.policy.block.is_empty() {
            self.check_block(headers)?;
        }
        let limit = match &self.node {
            Some(node) if !self.policy.limits.is_empty() => self.ask_limits(node, headers, client).await?,
            _ => None,
        };
        let class = self
            .policy
            .criticality
            .as_ref()
            .map(|header| Criticality::from_header(headers.get(header).map(http::HeaderValue::as_bytes)));
        if !self.policy.jitter.max.is_zero() {
            self.wait(class, headers).await?;
        }
        let permit = match window {
            Some(window) if !bypasses => {
                let entered = window.try_enter(class, clock::tick());
                Some(entered.map_err(|closed| Stop::Refused(Refusal::Window(closed)))?)
            }
            _ => None,
        };
        Ok(Admitted { permit, limit })
    }

    fn check_block(&self, headers: &HeaderMap) -> Result<(), Stop> {
        let values = |name: &str| headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
        match self.policy.block.find(values) {
            Some(blocked) => Err(Stop::Refused(Refusal::Blocked(blocked))),
            None => Ok(()),
        }
    }

    async fn ask_limits(
        &self,
        node: &Arc<Node>,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Result<Option<Box<LimitReply>>, Stop> {
        let asked = limits::ask(node, &self.policy.limits, headers, client).await;
        if let Some(ours) = &self.metrics.ours {
            ours.limit_errors.inc_by(asked.failed);
            ours.undeclared.inc_by(asked.undeclared);
        }
        match asked.refusal {
            Some(reply) => Err(Stop::Refused(Refusal::RateLimited(reply))),
            None => Ok(asked.nearest),
        }
    }

    /// Spreads requests in time. Whoever leaves meanwhile is not forwarded, since nobody polls this.
    async fn wait(&self, class: Option<Criticality>, headers: &HeaderMap) -> Result<(), Stop> {
        let can_wait = headers.get(CAN_WAIT).and_then(|value| value.to_str().ok());
        let longest = self.policy.jitter.longest(class, can_wait, self.pressure().is_throttling());
        let longest = longest.map_err(|error| {
            Stop::Fault(Fault::BadRequest(format!("X-Can-Wait: {error}; write a duration such as 30s")))
        })?;
        let delay = jitter::delay(longest, fastrand::u64(..));
        if delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        Ok(())
    }

    /// What the signals say.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        self.windows.first().map_or(Pressure::NONE, |window| window.stats().pressure)
    }

    /// Counts a request that was stopped.
    pub fn count(&self, route: usize, stop: &Stop) {
        let Some(route) = self.metrics.routes.get(route) else { return };
        let RouteMetrics { by_window, by_block, by_limit, by_route, errors, .. } = route;
        match stop {
            Stop::Refused(Refusal::Window(_)) => by_window.inc(),
            Stop::Refused(Refusal::Blocked(_)) => by_block.inc(),
            Stop::Refused(Refusal::RateLimited(_)) => by_limit.iter().for_each(|counter| counter.inc()),
            Stop::Refused(Refusal::Denied) => by_route.iter().for_each(|counter| counter.inc()),
            Stop::Fault(_) => errors.inc(),
        }
    }
}
