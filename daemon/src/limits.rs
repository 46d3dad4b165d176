//! The limits that are declared, by the name that requests carry.

use std::collections::HashMap;

use crds::cluster::HeaderStyle;
use crds::document::{Allowance, DaemonDocument, KeyMatch, LimitEntry, LimitWindow};
use crds::limit;
use engine::{Algorithm, Behavior, Interval, Request};
use prometheus::IntCounter;

use crate::metrics::Metrics;

/// What a document declares, as requests need it; replaced whole.
#[derive(Debug, Default)]
pub struct Limits {
    by_name: HashMap<Box<str>, Declared>,
    reject_undeclared: bool,
    headers: HeaderStyle,
    revision: String,
}

/// A request whose name nobody declared, in a cluster that refuses those.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "rate limit '{0}' is not declared, and this cluster refuses undeclared names; declare a RateLimit of that name"
)]
pub struct Undeclared(String);

/// What became of a request that met the declarations.
#[derive(Clone, Copy, Debug)]
pub enum Joined<'a> {
    /// It is counted; a refusal is only reported where an audit is given.
    Counted(Option<Audit<'a>>),
    /// Its key may do as it likes.
    Unlimited,
}

/// A limit in audit mode: it counts what it would have refused.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a>(&'a IntCounter);

impl Audit<'_> {
    /// One request would have been refused.
    pub fn count(self) {
        self.0.inc();
    }
}

/// One declared limit.
#[derive(Debug)]
struct Declared {
    limit: i64,
    duration: i64,
    algorithm: Algorithm,
    burst: i64,
    /// `DURATION_IS_GREGORIAN` among them where the window is a calendar's.
    behavior: Behavior,
    /// What the request itself says wins where it says something.
    request_wins: bool,
    audit: Option<IntCounter>,
    overrides: Vec<(KeyMatch, Allowance)>,
}

/// Flags that say what to do, not how to count: a request's own under any declaration.
const ACTIONS: Behavior = Behavior::RESET_REMAINING;

impl Limits {
    /// From a document that has been validated. Counters of audited limits are made here, so that a
    /// request needs no look-up; their label is a declared name, so nobody outside can make one.
    #[must_use]
    pub fn new(document: &DaemonDocument, metrics: &Metrics) -> Self {
        let by_name = document
            .rate_limits
            .iter()
            .map(|entry| (entry.name.as_str().into(), Declared::new(entry, metrics)))
            .collect();
        Self {
            by_name,
            reject_undeclared: document.live.undeclared == crds::cluster::Undeclared::Reject,
            headers: document.live.headers,
            revision: document.revision.clone(),
        }
    }

    /// Whether a name is declared.
    #[must_use]
    pub fn declares(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Which headers tell HTTP's clients of their limits.
    #[must_use]
    pub const fn headers(&self) -> HeaderStyle {
        self.headers
    }

    /// How many are declared.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether none is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Of the document that they come from; empty where there is none.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Names of limits in audit mode.
    pub fn audited(&self) -> impl Iterator<Item = &str> {
        self.by_name.iter().filter(|(_, declared)| declared.audit.is_some()).map(|(name, _)| &**name)
    }

    /// Gives a request the configuration that is declared for its name.
    ///
    /// # Errors
    /// Where nobody declared the name and the cluster refuses that.
    #[inline]
    pub fn join<'a>(&'a self, request: &mut Request<'_>) -> Result<Joined<'a>, Undeclared> {
        if self.by_name.is_empty() && !self.reject_undeclared {
            return Ok(Joined::Counted(None));
        }
        match self.by_name.get(request.name) {
            Some(declared) => Ok(declared.join(request)),
            None if self.reject_undeclared => Err(Undeclared(request.name.to_owned())),
            None => Ok(Joined::Counted(None)),
        }
    }
}

impl Declared {
    fn new(entry: &LimitEntry, metrics: &Metrics) -> Self {
        let mut behavior = entry.behaviors.iter().fold(Behavior::BATCHING, |all, one| {
            all | match one {
                limit::Behavior::Global => Behavior::GLOBAL,
                limit::Behavior::MultiRegion => Behavior::MULTI_REGION,
                limit::Behavior::NoBatching => Behavior::NO_BATCHING,
                limit::Behavior::DrainOverLimit => Behavior::DRAIN_OVER_LIMIT,
            }
        });
        let duration = match entry.window {
            LimitWindow::Millis(millis) => millis,
            LimitWindow::Calendar(calendar) => {
                behavior = behavior.with(Behavior::DURATION_IS_GREGORIAN);
                interval(calendar).code()
            }
        };
        Self {
            limit: entry.limit,
            duration,
            algorithm: match entry.algorithm {
                limit::Algorithm::TokenBucket => Algorithm::TokenBucket,
                limit::Algorithm::LeakyBucket => Algorithm::LeakyBucket,
            },
            burst: entry.burst,
            behavior,
            request_wins: entry.precedence == limit::Precedence::Request,
            audit: (entry.enforcement == limit::Enforcement::Audit)
                .then(|| metrics.audit_over_limit(&entry.name)),
            overrides: entry.overrides.iter().map(|entry| (entry.matches.clone(), entry.allows)).collect(),
        }
    }

    fn join(&self, request: &mut Request<'_>) -> Joined<'_> {
        let limit = match self.override_for(request.unique_key) {
            None => self.limit,
            Some(Allowance::Limit(limit)) => *limit,
            Some(Allowance::Unlimited) => return Joined::Unlimited,
        };
        let actions = request.behavior.bits() & ACTIONS.bits();
        if self.request_wins {
            self.fill(request, limit);
        } else {
            request.limit = limit;
            request.duration = self.duration;
            request.algorithm = self.algorithm.number();
            request.burst = self.burst;
            request.behavior = self.behavior | Behavior::from_bits(actions);
        }
        Joined::Counted(self.audit.as_ref().map(Audit))
    }

    /// Fills in what the request leaves open: on the wire, 0 is unset. A calendar's code may be 0, so
    /// there the flag says that a duration is given.
    fn fill(&self, request: &mut Request<'_>, limit: i64) {
        let own_window = request.duration != 0 || request.behavior.contains(Behavior::DURATION_IS_GREGORIAN);
        let mut behavior = self.behavior;
        if own_window {
            behavior = behavior.without(Behavior::DURATION_IS_GREGORIAN);
        } else {
            request.duration = self.duration;
        }
        request.behavior = request.behavior | behavior;
        for (own, declared) in [(&mut request.limit, limit), (&mut request.burst, self.burst)] {
            if *own == 0 {
                *own = declared;
            }
        }
        if request.algorithm == 0 {
            request.algorithm = self.algorithm.number();
        }
    }

    fn override_for(&self, unique_key: &str) -> Option<&Allowance> {
        let matches = |by: &KeyMatch| match by {
            KeyMatch::Key(key) => key == unique_key,
            KeyMatch::Prefix(prefix) => unique_key.starts_with(prefix.as_str()),
        };
        self.overrides.iter().find(|(by, _)| matches(by)).map(|(_, allows)| allows)
    }
}

const fn interval(calendar: limit::Calendar) -> Interval {
    match calendar {
        limit::Calendar::Minute => Interval::Minute,
        limit::Calendar::Hour => Interval::Hour,
        limit::Calendar::Day => Interval::Day,
        limit::Calendar::Week => Interval::Week,
        limit::Calendar::Month => Interval::Month,
        limit::Calendar::Year => Interval::Year,
    }
}
