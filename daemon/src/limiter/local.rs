//! Items that are decided here.

use engine::{Algorithm, Behavior, HitError, Request, Status, UnixMillis, Verdict};

use super::Service;
use super::tally::Tally;
use crate::limits::{Audit, Joined, Limits};
use crate::node::Node;
use crate::wire::{Answers, Item, Note};

/// One batch at the front desk: its instant, its answers so far, and what to tell the metrics.
pub(super) struct Desk<'a> {
    node: &'a Node,
    service: Service,
    limits: &'a Limits,
    now: UnixMillis,
    answers: Answers,
    tally: Tally,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        node: &'a Node,
        service: Service,
        limits: &'a Limits,
        now: UnixMillis,
        prefix: usize,
        items: usize,
    ) -> Self {
        let answers = Answers::with_room(prefix, items);
        Self { node, service, limits, now, answers, tally: Tally::default() }
    }

    pub(super) const fn node(&self) -> &'a Node {
        self.node
    }

    pub(super) const fn now(&self) -> UnixMillis {
        self.now
    }

    pub(super) const fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// How many bytes of answers there are: where the next one will stand.
    pub(super) const fn written(&self) -> usize {
        self.answers.len()
    }

    /// The answers, the metrics told.
    pub(super) fn finish(self) -> Vec<u8> {
        self.tally.tell(self.node.metrics());
        self.answers.into_bytes()
    }

    /// Decides one item and writes its answer.
    #[inline]
    pub(super) fn decide(&mut self, item: &Item<'_>, notes: &[Note<'_>]) {
        let mut request = item.request;
        let audit = match self.limits.join(&mut request) {
            Ok(Joined::Counted(audit)) => audit,
            Ok(Joined::Unlimited) => return self.unlimited(&request, notes),
            Err(undeclared) => {
                self.tally.invalid += 1;
                return self.answers.error(&undeclared.to_string(), notes);
            }
        };
        if self.service == Service::Peers && item.request.behavior.contains(Behavior::GLOBAL) {
            // The hits were admitted elsewhere already: what does not fit any more is still taken.
            request.behavior = request.behavior.with(Behavior::DRAIN_OVER_LIMIT);
        }
        let at = self.instant(item.created_at);
        match request.check(at, self.node.calendar()) {
            Ok(hit) => {
                let verdict = self.node.table().hit(&hit);
                self.tally.decided += 1;
                self.tell(verdict, audit, notes);
            }
            Err(error) => self.fail(&request, error, notes),
        }
    }

    /// Answers an item that is nobody's, since its key or name is missing or unbearable.
    pub(super) fn refuse(&mut self, request: &Request<'_>, error: HitError) {
        self.fail(request, error, &[]);
    }

    #[inline]
    fn tell(&mut self, mut verdict: Verdict, audit: Option<Audit<'_>>, notes: &[Note<'_>]) {
        if verdict.status == Status::OverLimit {
            self.tally.over_limit += 1;
            if let Some(audit) = audit {
                audit.count();
                verdict.status = Status::UnderLimit;
                verdict.retry_after = None;
                let notes: Vec<_> = notes.iter().copied().chain([Note::Audit]).collect();
                return self.answers.verdict(&verdict, &notes);
            }
        }
        self.answers.verdict(&verdict, notes);
    }

    /// A limit that lets everything through has nothing to count and never resets.
    fn unlimited(&mut self, request: &Request<'_>, notes: &[Note<'_>]) {
        if let Err(error) = request.check_key() {
            return self.fail(request, error, notes);
        }
        let verdict = Verdict {
            status: Status::UnderLimit,
            limit: i64::MAX,
            remaining: i64::MAX,
            reset_time: UnixMillis::new(0),
            retry_after: None,
        };
        self.tally.decided += 1;
        self.answers.verdict(&verdict, notes);
    }

    /// The instant at which an item counts: its own, where that is near enough to our clock.
    #[inline]
    fn instant(&mut self, created_at: Option<i64>) -> UnixMillis {
        // 0 is what a client sends that has no clock to offer.
        let Some(told) = created_at.filter(|&told| told != 0) else { return self.now };
        let skew = self.node.max_clock_skew();
        let told = UnixMillis::new(told);
        let near = told.clamp(self.now.saturating_sub(skew), self.now.saturating_add(skew));
        self.tally.clamped += u64::from(near != told);
        near
    }

    #[cold]
    fn fail(&mut self, request: &Request<'_>, error: HitError, notes: &[Note<'_>]) {
        let kind = match error {
            HitError::UnknownAlgorithm(_) => &mut self.tally.unknown_algorithm,
            HitError::UnknownInterval(Algorithm::TokenBucket) => &mut self.tally.token_bucket,
            HitError::UnknownInterval(Algorithm::LeakyBucket) => &mut self.tally.leaky_bucket,
            _ => &mut self.tally.invalid,
        };
        *kind += 1;
        self.answers.error(&self.error_text(request, error), notes);
    }

    /// The original's words, which tell the route that the item took.
    fn error_text(&self, request: &Request<'_>, error: HitError) -> String {
        let step = match error {
            HitError::UnknownAlgorithm(_) => "",
            HitError::UnknownInterval(Algorithm::TokenBucket) => "Error in tokenBucket: ",
            HitError::UnknownInterval(Algorithm::LeakyBucket) => "Error in leakyBucket: ",
            _ => return error.to_string(),
        };
        match self.service {
            Service::Clients => format!(
                "Error while apply rate limit for '{}': during workerPool.GetRateLimit: {step}{error}",
                joined_key(request)
            ),
            Service::Peers => {
                format!("Error in getLocalRateLimit: during workerPool.GetRateLimit: {step}{error}")
            }
        }
    }
}

/// The key as the original writes it.
pub(super) fn joined_key(request: &Request<'_>) -> String {
    format!("{}_{}", request.name, request.unique_key)
}
