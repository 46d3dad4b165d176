//! `wicketgated load`: a bounded, closed-loop load over gRPC, and what came of it.

mod caller;
mod progress;
mod report;
mod target;

use std::{
    io::{self, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use proto::gubernator::v1_client::V1Client;
use thiserror::Error;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

pub use self::report::Report;
use self::{caller::Caller, report::Tally};
use crate::{
    args::{Exit, Load},
    clock,
};

/// Callers in all; more would measure this process and not the daemon.
const MAX_CALLERS: usize = 20_000;

/// How long dialling may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    stopped: AtomicBool,
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
            stopped: AtomicBool::new(false),
        }
    }

    /// Whether one more call may begin, which then counts.
    fn take(&self, now: Instant) -> bool {
        !self.stopped.load(Relaxed)
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
            Exit::Ok
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
    target::check(&plan.address, plan.allow_remote_target).await?;
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(connect(plan).await?);
    }

    let started = clock::instant();
    let bound = Arc::new(Bound::new(plan, started));
    let done = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    // A tally a connection: a caller that never waits for the next connection's lock is closer to the
    // truth, and one a caller would take more memory than the load.
    let tallies: Vec<_> = clients.iter().map(|_| Arc::new(Mutex::new(Tally::new()))).collect();
    for (connection, (client, tally)) in clients.into_iter().zip(&tallies).enumerate() {
        for number in 0..concurrency {
            let seed = (connection * concurrency + number) as u64;
            let caller = Caller::new(client.clone(), plan, seed, Arc::clone(&bound));
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

/// Waits for every caller; Ctrl-C makes them begin no further call.
async fn wait(callers: &mut JoinSet<()>, bound: &Bound) {
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut listening = true;
    loop {
        tokio::select! {
            next = callers.join_next() => {
                if next.is_none() {
                    return;
                }
            }
            _ = &mut interrupted, if listening => {
                listening = false;
                bound.stopped.store(true, Relaxed);
            }
        }
    }
}

async fn connect(plan: &Load) -> Result<V1Client<Channel>, LoadError> {
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
    Ok(V1Client::new(endpoint.connect().await.map_err(unreachable)?))
}

#[cfg(test)]
mod tests;
