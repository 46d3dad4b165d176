//! `wicketgated load`: a bounded, closed-loop load over gRPC, and what came of it.

mod caller;
mod line;
mod pace;
mod progress;
mod report;
mod target;

use std::{
    io::{self, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

pub use self::report::Report;
use self::{caller::Caller, line::Line, pace::Pace, report::Tally};
use crate::{
    args::{Exit, Load},
    clock,
};

/// Callers in all; more would measure this process and not the daemon.
const MAX_CALLERS: usize = 20_000;

/// How long dialling may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before connecting is tried again at the start.
const AGAIN: Duration = Duration::from_millis(200);

/// How long to send where the command line does not say.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// Why no load was sent.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The target is another machine.
    #[error(
        "{address} is not on this machine; a load can harm who shares it. Give --allow-remote-target if you may \
         send it there"
    )]
    Remote {
        /// As given.
        address: String,
    },
    /// The target's name has no address.
    #[error("cannot resolve {address}: {reason}; give --address a host:port that resolves")]
    Unresolved {
        /// As given.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// Nobody answers.
    #[error("cannot connect to {address}: {reason}; start a daemon there, or give --address another one")]
    Unreachable {
        /// As given.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// More callers than make sense.
    #[error(
        "--connections {connections} x --concurrency {concurrency} make more than {MAX_CALLERS} callers; give fewer"
    )]
    TooManyCallers {
        /// As given.
        connections: usize,
        /// As given.
        concurrency: usize,
    },
}

impl LoadError {
    /// How the process ends because of this.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Remote { .. } | Self::TooManyCallers { .. } => Exit::Usage,
            Self::Unresolved { .. } | Self::Unreachable { .. } => Exit::Unavailable,
        }
    }
}

/// When to stop; every caller looks at it before each call.
#[derive(Debug)]
struct Bound {
    deadline: Option<Instant>,
    /// Calls that may still begin; unlimited with a deadline.
    calls_left: AtomicU64,
    pace: Pace,
    stopped: CancellationToken,
}

impl Bound {
    fn new(plan: &Load, started: Instant) -> Self {
        let deadline = match plan.calls {
            Some(_) => None,
            None => started.checked_add(plan.duration.unwrap_or(DEFAULT_DURATION)),
        };
        Self {
            deadline,
            calls_left: AtomicU64::new(plan.calls.unwrap_or(u64::MAX)),
            pace: Pace::new(plan.rate, started.into()),
            stopped: CancellationToken::new(),
        }
    }

    /// Waits for the turn of one more call; none where it would come after the end.
    async fn turn(&self) -> Option<()> {
        let Some(at) = self.pace.next() else { return Some(()) };
        if self.deadline.is_some_and(|deadline| at >= deadline.into()) {
            return None;
        }
        self.stopped.run_until_cancelled(tokio::time::sleep_until(at)).await
    }

    /// Whether one more call may begin, which then counts.
    fn take(&self, now: Instant) -> bool {
        !self.stopped.is_cancelled()
            && self.deadline.is_none_or(|deadline| now < deadline)
            && self.calls_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Sends the load and prints what came of it: the report on stdout, progress and errors on stderr.
pub async fn run(plan: &Load) -> Exit {
    match measure(plan).await {
        Ok(report) => {
            let text = if plan.json { report.render_json() } else { report.render_text() };
            // Whoever closed the pipe does not want the rest.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            if report.failed_calls + report.failed_items == 0 { Exit::Ok } else { Exit::Failed }
        }
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "error: {error}");
            error.exit()
        }
    }
}

/// Sends the load: connects everything first, so that only calls are timed.
///
/// # Errors
/// Where the target may not or cannot be reached. Calls that fail later are part of the report.
pub async fn measure(plan: &Load) -> Result<Report, LoadError> {
    let (connections, concurrency) = (plan.connections.get(), plan.concurrency.get());
    if connections.saturating_mul(concurrency) > MAX_CALLERS {
        return Err(LoadError::TooManyCallers { connections, concurrency });
    }
    let first = first_line(plan).await?;
    let mut lines = vec![Arc::new(first)];
    while lines.len() < connections {
        lines.push(Arc::new(connect(plan).await?));
    }

    let started = clock::instant();
    let bound = Arc::new(Bound::new(plan, started));
    let done = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    // A tally a connection: a caller that never waits for the next connection's lock is closer to the
    // truth, and one a caller would take more memory than the load.
    let tallies: Vec<_> = lines.iter().map(|_| Arc::new(Mutex::new(Tally::new()))).collect();
    for (connection, (line, tally)) in lines.into_iter().zip(&tallies).enumerate() {
        for number in 0..concurrency {
            let seed = (connection * concurrency + number) as u64;
            let caller = Caller::new(Arc::clone(&line), plan, seed, Arc::clone(&bound));
            callers.spawn(caller.run(Arc::clone(tally), Arc::clone(&done)));
        }
    }
    let shown = progress::show(plan, &bound, started, Arc::clone(&done));
    wait(&mut callers, &bound).await;
    let took = clock::instant().saturating_duration_since(started);
    shown.finish();

    let mut total = Tally::new();
    for tally in &tallies {
        total.add(&tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
    Ok(Report::new(plan, took, &total))
}

/// Waits for every caller; Ctrl-C or SIGTERM makes them begin no further call.
async fn wait(callers: &mut JoinSet<()>, bound: &Bound) {
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    let mut listening = true;
    loop {
        tokio::select! {
            next = callers.join_next() => {
                if next.is_none() {
                    return;
                }
            }
            () = &mut interrupted, if listening => {
                listening = false;
                bound.stopped.cancel();
            }
        }
    }
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            // Then SIGTERM ends the process, as it does any other.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// Makes sure that the target may be sent to, and connects; where the plan says so, tries again for a
/// while: a name may not resolve yet, or nobody listen.
async fn first_line(plan: &Load) -> Result<Line, LoadError> {
    let until = clock::timer() + plan.wait.unwrap_or_default();
    loop {
        let tried = async {
            target::check(&plan.address, plan.allow_remote_target).await?;
            connect(plan).await
        };
        match tried.await {
            Err(LoadError::Unresolved { .. } | LoadError::Unreachable { .. }) if clock::timer() < until => {
                tokio::time::sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}

async fn connect(plan: &Load) -> Result<Line, LoadError> {
    let address = target::dialled(&plan.address);
    let unreachable = |error: tonic::transport::Error| LoadError::Unreachable {
        address: plan.address.to_string(),
        reason: target::root_cause(&error),
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(unreachable)?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(plan.timeout)
        .tcp_nodelay(true);
    Line::connect(endpoint, plan.reconnect_every.map(std::num::NonZero::get)).await.map_err(unreachable)
}

#[cfg(test)]
mod tests;
