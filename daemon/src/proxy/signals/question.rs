//! One question to one server, asked over and over.

use std::hash::BuildHasher as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::Inner;
use super::client::Ask;
use crate::clock;
use crate::proxy::policy::{Auth, Prometheus};

/// Bounds of the time between two questions, whatever is declared: neither a busy loop nor a timer
/// beyond the clock.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Who is asked what. Policies whose questions are equal share the answers. It cannot be shown: the
/// address may hold a password.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) prometheus: Prometheus,
    pub(super) query: String,
}

impl Question {
    /// Whether a secret is needed to ask it.
    fn needs_secrets(&self) -> bool {
        self.prometheus.ca.is_some() || self.prometheus.auth != Auth::None
    }

    /// Asks at once, then every interval, until nobody wants to know any more. A question that failed is
    /// asked anew when secrets change: they may have come later than the policy that names them.
    pub(super) async fn run(self: Arc<Self>, server: Arc<dyn Ask>, inner: Weak<Inner>) {
        let Some((mut ticks, mut secrets)) = inner.upgrade().map(|inner| {
            let secrets = self.needs_secrets().then(|| inner.secrets.changes());
            (self.ticks(&inner, clock::timer()), secrets)
        }) else {
            return;
        };
        loop {
            if let Some(secrets) = &mut secrets {
                secrets.mark_unchanged();
            }
            let outcome = server.ask(&self.query).await;
            let failed = outcome.is_err();
            match inner.upgrade() {
                Some(inner) => inner.heard(&self, outcome),
                None => return,
            }
            let other_secrets = async {
                if let (Some(secrets), true) = (&mut secrets, failed)
                    && secrets.changed().await.is_ok()
                {
                    return;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = ticks.tick() => {}
                () = other_secrets => {}
            }
        }
    }

    /// The questions after the first. The second comes a little early, by chance, so that pods that got
    /// a policy in the same instant do not go on asking in the same instant.
    fn ticks(&self, inner: &Inner, now: Instant) -> Interval {
        let interval = self.prometheus.interval.clamp(SHORTEST, LONGEST);
        let thousandths = inner.chance.as_ref().map_or(0, |chance| chance.hash_one(self) % 1_000);
        let early = interval / 10_000 * u32::try_from(thousandths).unwrap_or(0);
        let mut ticks = interval_at(now + (interval - early), interval);
        // An answer that took longer than the interval is not followed by a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks
    }
}
