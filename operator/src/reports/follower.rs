//! One pod, followed until nobody wants it: its stream, opened again and again.

use std::{sync::Arc, time::Duration};

use crds::{reference::ObjectName, report::PodReport};
use prometheus::IntGauge;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::{Changes, Heard, PodTarget, stream};
use crate::{backoff, causes::chain, clock, metrics::Metrics, random};

/// The wait before a stream is opened again, the first time.
const BASE: Duration = Duration::from_millis(100);
/// The longest such wait. A stream that lasted longer begins with the shortest again.
const CAP: Duration = Duration::from_secs(5);

/// A followed pod. Dropping it ends its stream.
#[derive(Debug)]
pub(super) struct Follower {
    target: PodTarget,
    heard: watch::Receiver<Heard>,
    hurry: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl Follower {
    pub(super) fn start(
        target: PodTarget,
        cluster: ObjectName,
        changes: Changes,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (said, heard) = watch::channel(Heard::Never);
        let hurry = Arc::new(Notify::new());
        let span = tracing::debug_span!("report", pod = target.name);
        let ear = Ear { cluster, changes, said, metrics, current: None };
        let task = ear.listen(target.clone(), Arc::clone(&hurry)).instrument(span);
        Self { target, heard, hurry, _task: AbortOnDropHandle::new(tokio::spawn(task)) }
    }

    /// Whether `target` is to be reached where this pod is.
    pub(super) fn is_at(&self, target: &PodTarget) -> bool {
        self.target.socket() == target.socket()
    }

    pub(super) fn set_ready(&mut self, ready: bool) {
        if ready && !self.target.ready {
            self.hurry.notify_one();
        }
        self.target.ready = ready;
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }
}

/// What a follower's task has.
struct Ear {
    cluster: ObjectName,
    changes: Changes,
    said: watch::Sender<Heard>,
    metrics: Arc<Metrics>,
    current: Option<Current>,
}

impl Ear {
    async fn listen(mut self, target: PodTarget, hurry: Arc<Notify>) {
        let mut failures = 0_u32;
        loop {
            let opened = clock::instant();
            let error = stream::follow(target.socket(), |report| self.take(report)).await;
            tracing::debug!(error = chain(&error), "the stream of reports is over");
            self.lose();
            failures = if opened.elapsed() > CAP { 0 } else { failures.saturating_add(1) };
            let wait = backoff::doubled(BASE, CAP, failures.saturating_sub(1));
            rest(backoff::spread(wait, random::bits()), &hurry).await;
        }
    }

    fn take(&mut self, report: PodReport) {
        let news = match &*self.said.borrow() {
            Heard::Report { report: before, .. } => !says_the_same(before, &report),
            Heard::Never | Heard::Lost { .. } => true,
        };
        if self.current.is_none() {
            self.current = Some(Current::begin(self.metrics.pods_heard().clone()));
        }
        self.said.send_replace(Heard::Report { report: Arc::new(report), at: clock::instant() });
        if news {
            self.changes.mark(&self.cluster);
        }
    }

    fn lose(&mut self) {
        // What was not heard, or was lost before, is no news.
        if self.current.take().is_some() {
            self.metrics.reports_lost().inc();
            self.said.send_modify(|heard| {
                if let Heard::Report { report, .. } = heard {
                    *heard = Heard::Lost { report: Arc::clone(report), since: clock::instant() };
                }
            });
            self.changes.mark(&self.cluster);
        }
    }
}

/// Waits, but no longer than until somebody is in a hurry.
async fn rest(wait: Duration, hurry: &Notify) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = hurry.notified() => {}
    }
}

/// All but the numbers, which change all the time and decide nothing: whoever shows them looks now and then.
fn says_the_same(before: &PodReport, now: &PodReport) -> bool {
    before.without_numbers() == now.without_numbers()
}

/// Counts a pod whose report is current, for as long as it is: also where the task is aborted.
struct Current(IntGauge);

impl Current {
    fn begin(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_once_where_somebody_is_in_a_hurry() {
        let (begun, hurry) = (clock::instant(), Notify::new());
        rest(CAP, &hurry).await;
        assert_eq!(begun.elapsed(), CAP);
        hurry.notify_one();
        rest(CAP, &hurry).await;
        assert_eq!(begun.elapsed(), CAP);
    }

    #[tokio::test]
    async fn becoming_ready_is_a_hurry_and_being_ready_is_none() {
        let target = PodTarget {
            name: "main-0".into(),
            uid: "uid-0".into(),
            address: [127, 0, 0, 1].into(),
            port: 1050,
            ready: false,
        };
        let mut follower = Follower {
            target,
            heard: watch::channel(Heard::Never).1,
            hurry: Arc::default(),
            _task: AbortOnDropHandle::new(tokio::spawn(async {})),
        };
        let hurry = Arc::clone(&follower.hurry);
        for (ready, hurries) in [(false, false), (true, true), (true, false), (false, false), (true, true)] {
            follower.set_ready(ready);
            assert_eq!(hurry.notified().now_or_never().is_some(), hurries, "{ready}");
        }
    }
}
