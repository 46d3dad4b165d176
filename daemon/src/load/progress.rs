//! The bar on a terminal while a load runs; nothing where stderr is none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::Bound;
use crate::{args::Load, clock};

const INTERVAL: Duration = Duration::from_millis(100);

/// A bar that moves by itself until it is finished.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Progress {
    /// Takes the bar away.
    pub(super) fn finish(self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// Shows how much of the time or of the calls has gone.
pub(super) fn show(plan: &Load, bound: &Bound, started: Instant, done: Arc<AtomicU64>) -> Progress {
    let whole = match (plan.calls, bound.deadline) {
        (Some(calls), _) => calls,
        (None, deadline) => deadline.map_or(0, |at| millis(at.saturating_duration_since(started))),
    };
    let bar = ProgressBar::new(whole);
    // The template is a constant; were it wrong, the bar would look plainer.
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3}%  {msg}") {
        bar.set_style(style);
    }
    let moved = bar.clone();
    let by_calls = plan.calls.is_some();
    let task = tokio::spawn(async move {
        let (mut before, mut last) = (0, started);
        loop {
            tokio::time::sleep(INTERVAL).await;
            let (now, calls) = (clock::instant(), done.load(Relaxed));
            let elapsed = now.saturating_duration_since(started);
            moved.set_position(if by_calls { calls } else { millis(elapsed) });
            let seconds = now.saturating_duration_since(last).as_secs_f64();
            if seconds > 0.0 {
                moved.set_message(format!("{:.0} calls/s", (calls - before) as f64 / seconds));
            }
            (before, last) = (calls, now);
        }
    });
    Progress { bar, task }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
