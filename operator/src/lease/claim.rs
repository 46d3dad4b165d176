//! One attempt to have the lease: what is read and what is written.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::Instant;

use super::{
    Config,
    decision::{Decision, Observed, decide, holder, observe},
    status,
};
use crate::clock;

/// How things stand after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// We lead.
    Leads,
    /// Somebody else does.
    Follows {
        /// Who.
        holder: String,
        /// When the lease is dead, unless it is renewed.
        until: Instant,
    },
    /// Somebody wrote at the same time; who leads is seen next time.
    Raced,
}

/// Why an attempt did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the API server does not take the request")]
    Api(#[source] kube::Error),
    #[error("the API server does not answer")]
    Unreachable(#[source] kube::Error),
    #[error("the API server did not answer within {0:?}")]
    Late(Duration),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        if status(&error).is_some() { Self::Api(error) } else { Self::Unreachable(error) }
    }
}

/// Our claim to a lease, and what we know of it.
#[derive(Debug)]
pub(super) struct Claim {
    api: Api<Lease>,
    config: Config,
    observed: Option<Observed>,
}

impl Claim {
    pub(super) fn new(client: Client, config: Config) -> Self {
        Self { api: Api::namespaced(client, &config.namespace), config, observed: None }
    }

    /// Takes the lease or renews it, where that may be.
    pub(super) async fn attempt(&mut self) -> Result<Standing, Failure> {
        // A leader knows its lease and need not read it; if somebody has written it, that shows.
        let known = self.observed.as_ref().map(|observed| &observed.lease);
        if let Some(lease) = known.filter(|lease| holder(lease) == self.config.identity) {
            let renewed = self.ours(lease.clone());
            if self.replace(&renewed).await? == Standing::Leads {
                return Ok(Standing::Leads);
            }
        }
        let Some(lease) = self.in_time(self.api.get_opt(&self.config.name)).await? else {
            return self.create().await;
        };
        let now = clock::instant();
        let observed = observe(self.observed.take(), lease, now);
        let decision = decide(&observed, &self.config.identity, now);
        let lease = observed.lease.clone();
        self.observed = Some(observed);
        match decision {
            Decision::Renew | Decision::Take => self.replace(&self.ours(lease)).await,
            Decision::Wait { holder, until } => Ok(Standing::Follows { holder, until }),
        }
    }

    /// Gives the lease back, where it is ours.
    pub(super) async fn release(&mut self) -> Result<(), Failure> {
        loop {
            let Some(Observed { mut lease, .. }) = self.observed.take() else { return Ok(()) };
            if holder(&lease) != self.config.identity {
                return Ok(());
            }
            let spec = lease.spec.get_or_insert_default();
            spec.holder_identity = Some(String::new());
            // Others need not wait for its end.
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(clock::now()));
            if self.replace(&lease).await? == Standing::Leads {
                return Ok(());
            }
            // A renewal may have been given up here and have arrived there.
            let now = clock::instant();
            let lease = self.in_time(self.api.get_opt(&self.config.name)).await?;
            self.observed = lease.map(|lease| observe(None, lease, now));
        }
    }

    async fn create(&mut self) -> Result<Standing, Failure> {
        let metadata = ObjectMeta { name: Some(self.config.name.clone()), ..ObjectMeta::default() };
        let lease = self.ours(Lease { metadata, spec: None });
        match self.in_time(self.api.create(&PostParams::default(), &lease)).await {
            Err(Failure::Api(error)) if status(&error) == Some(409) => Ok(Standing::Raced),
            outcome => Ok(self.written(outcome?)),
        }
    }

    /// Writes `lease` in place of the version that it was made from, and no other.
    async fn replace(&mut self, lease: &Lease) -> Result<Standing, Failure> {
        let parameters = PostParams::default();
        match self.in_time(self.api.replace(&self.config.name, &parameters, lease)).await {
            // Somebody wrote it, or deleted it.
            Err(Failure::Api(error)) if matches!(status(&error), Some(404 | 409)) => Ok(Standing::Raced),
            outcome => Ok(self.written(outcome?)),
        }
    }

    fn written(&mut self, lease: Lease) -> Standing {
        self.observed = Some(Observed { lease, since: clock::instant() });
        Standing::Leads
    }

    /// `lease` with us as its holder, from now on.
    fn ours(&self, mut lease: Lease) -> Lease {
        let now = MicroTime(clock::now());
        let first = lease.spec.is_none();
        let changes_hands = holder(&lease) != self.config.identity;
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        if changes_hands {
            let before = spec.lease_transitions.unwrap_or_default();
            spec.lease_transitions = Some(if first { 0 } else { before.saturating_add(1) });
            spec.acquire_time = Some(now.clone());
            spec.holder_identity = Some(self.config.identity.clone());
        }
        spec.lease_duration_seconds = i32::try_from(self.config.duration.as_secs()).ok();
        spec.renew_time = Some(now);
        lease
    }

    async fn in_time<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.config.request(), request).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Failure::Late(self.config.request())),
        }
    }
}
