//! Who leads: one process at a time, by a Lease of coordination.k8s.io that all of them write.
//!
//! Client-go's rules, so that its tools and its guarantees apply: a lease counts as dead when it has
//! not been renewed for its duration by the clock of whoever looks at it (no two machines' clocks are
//! compared), every write names the version that it replaces, and a leader stops before others may
//! think that it is gone. A leader that cannot renew in time says so through [`Leadership::lost`].

mod claim;
mod decision;

use std::time::Duration;

use kube::Client;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::claim::{Claim, Standing};
use crate::{backoff, causes::chain, clock, random};

/// How long a lease that nobody renews keeps others away.
pub const DURATION: Duration = Duration::from_secs(10);
/// How often a leader renews, and others look.
pub const RENEWAL: Duration = Duration::from_secs(2);
/// How long giving a lease back may take.
const RELEASE: Duration = Duration::from_secs(2);

/// Which lease, in whose name, and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The lease's namespace.
    pub namespace: String,
    /// The lease's name.
    pub name: String,
    /// Who we are. A process that finds its own name in the lease goes on where the one before it
    /// ended, so no two that live may share it; a pod's name is right.
    pub identity: String,
    /// See [`DURATION`]; whole seconds.
    pub duration: Duration,
    /// See [`RENEWAL`]; less than a third of the duration.
    pub renewal: Duration,
}

impl Config {
    /// How long after its last renewal a leader stops: before the lease is dead for others, by what
    /// stopping takes.
    fn deadline(&self) -> Duration {
        self.duration * 4 / 5
    }

    /// How long one request may take, so that others fit before the deadline.
    fn request(&self) -> Duration {
        self.duration / 5
    }
}

/// Why nobody can be elected here.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The API server does not let us.
    #[error(
        "the API server refuses the lease {namespace}/{name}: grant get, create and update on leases of coordination.k8s.io there, or run a single replica with --leader-elect=false"
    )]
    Refused {
        /// The lease's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server says.
        #[source]
        source: kube::Error,
    },
    /// There is no such namespace.
    #[error("the namespace {namespace:?} of the lease does not exist: set POD_NAMESPACE to one that does")]
    Namespace {
        /// The namespace.
        namespace: String,
        /// What the API server says.
        #[source]
        source: kube::Error,
    },
}

/// A candidate.
#[derive(Debug)]
pub struct Elector {
    claim: Claim,
    config: Config,
}

impl Elector {
    /// A candidate for the lease of `config`.
    #[must_use]
    pub fn new(client: Client, config: Config) -> Self {
        Self { claim: Claim::new(client, config.clone()), config }
    }

    /// Waits until this process leads. Nothing where `cancel` comes first.
    ///
    /// # Errors
    /// Where the lease is refused, or cannot exist. All else is tried again.
    pub async fn acquire(mut self, cancel: &CancellationToken) -> Result<Option<Leadership>, LeaseError> {
        let mut told = String::new();
        loop {
            let begun = clock::instant();
            let attempt = tokio::select! {
                attempt = self.claim.attempt() => attempt,
                () = cancel.cancelled() => return Ok(None),
            };
            let wait = match attempt {
                Ok(Standing::Leads) => return Ok(Some(self.lead(begun))),
                Ok(Standing::Raced) => self.config.renewal / 4,
                Ok(Standing::Follows { holder, until }) => {
                    if told != holder {
                        tracing::info!(holder, "standing by");
                        told = holder;
                    }
                    until.saturating_duration_since(clock::instant()).min(self.config.renewal)
                }
                Err(error) => {
                    self.refused(error)?;
                    self.config.renewal
                }
            };
            // Several that stand by do not all come at once.
            let wait = backoff::spread(wait, random::bits()).max(Duration::from_millis(10));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = cancel.cancelled() => return Ok(None),
            }
        }
    }

    fn refused(&self, error: claim::Failure) -> Result<(), LeaseError> {
        let Config { namespace, name, .. } = self.config.clone();
        match error {
            claim::Failure::Api(source) if matches!(status(&source), Some(401 | 403)) => {
                Err(LeaseError::Refused { namespace, name, source })
            }
            claim::Failure::Api(source) if status(&source) == Some(404) => {
                Err(LeaseError::Namespace { namespace, source })
            }
            error => {
                tracing::warn!(error = chain(&error), "the lease could not be read or taken");
                Ok(())
            }
        }
    }

    fn lead(self, renewed: Instant) -> Leadership {
        let Self { claim, config } = self;
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let keeper = Keeper { claim, config, renewed };
        let task = tokio::spawn(keeper.keep(lost.clone(), stop.clone()));
        Leadership { lost, stop, task: AbortOnDropHandle::new(task) }
    }
}

/// The status of an answer, where one came.
fn status(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// This process leads, for as long as [`Leadership::lost`] does not say otherwise.
#[derive(Debug)]
pub struct Leadership {
    lost: CancellationToken,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Leadership {
    /// Waits until this process leads no more; what it does for the leader must then end at once.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Gives the lease back, so that another process leads without waiting for its end.
    pub async fn release(self) {
        self.stop.cancel();
        if tokio::time::timeout(RELEASE, self.task).await.is_err() {
            tracing::warn!("the lease could not be given back in time; it ends by itself");
        }
    }
}

/// Renews the lease of a leader.
struct Keeper {
    claim: Claim,
    config: Config,
    /// When the last renewal that succeeded was begun: others see it later, never sooner.
    renewed: Instant,
}

impl Keeper {
    async fn keep(mut self, lost: CancellationToken, stop: CancellationToken) {
        // Also where this task ends in a way that nobody thought of.
        let _lost = lost.drop_guard();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.config.renewal) => {}
                () = stop.cancelled() => break,
            }
            let renewal = tokio::select! {
                renewal = self.renew() => renewal,
                () = stop.cancelled() => break,
            };
            if let Err(lost) = renewal {
                tracing::error!("leadership is lost: {lost}");
                return;
            }
        }
        match self.claim.release().await {
            Ok(()) => tracing::info!("the lease is given back"),
            Err(error) => {
                tracing::warn!(error = chain(&error), "the lease is not given back");
            }
        }
    }

    /// Until it is renewed, or it is too late.
    async fn renew(&mut self) -> Result<(), Lost> {
        let deadline = self.renewed + self.config.deadline();
        loop {
            let begun = clock::instant();
            match tokio::time::timeout_at(deadline, self.claim.attempt()).await {
                Ok(Ok(Standing::Leads)) => {
                    self.renewed = begun;
                    return Ok(());
                }
                Ok(Ok(Standing::Follows { holder, .. })) => return Err(Lost::To(holder)),
                Ok(Ok(Standing::Raced)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(error = chain(&error), "the lease was not renewed");
                }
                Err(_) => return Err(Lost::Late(self.config.deadline())),
            }
            let again = clock::instant() + self.config.renewal / 4;
            if again >= deadline {
                return Err(Lost::Late(self.config.deadline()));
            }
            tokio::time::sleep_until(again).await;
        }
    }
}

/// Why a leader leads no more.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("{0} holds the lease")]
    To(String),
    #[error("the lease could not be renewed for {0:?}")]
    Late(Duration),
}

#[cfg(test)]
mod tests;
