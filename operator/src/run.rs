//! `wicketgate-operator run`: what is started in which order, and taken down again.
//!
//! Probes are answered first and last. Then comes the API server, then the election, and only whoever
//! leads reconciles.

mod reach;
mod signal;

use std::{io, sync::Arc, time::Duration};

use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Admin, Health, Phase},
    api::{self, ClientError},
    args::{Exit, Namespaces, Run},
    cluster::validate::Environment,
    control,
    events::Events,
    first_cluster::FirstCluster,
    lease::{self, Elector, Leadership, LeaseError},
    metrics::Metrics,
    random, telemetry,
};

use self::{reach::ReachError, signal::Signals};

/// How long reconciles that are under way may take at the end. The kubelet gives a pod thirty seconds.
const DRAIN: Duration = Duration::from_secs(5);
/// Threads that reconcile: what there is to do is mostly waiting.
const THREADS: usize = 2;

/// Why it ended, other than because it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log, the runtime, the signals.
    #[error("cannot {what}")]
    System {
        /// What could not be done.
        what: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Two metrics have one name.
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
    /// The admin address.
    #[error("cannot listen at {address}: set --admin-address to one that is free here")]
    Admin {
        /// Where.
        address: String,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// There is no client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The API server is not there for us.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// There can be no election.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Another process leads now, or could.
    #[error("leadership is lost; start this process again, and it stands by")]
    LeadershipLost,
    /// The control plane failed.
    #[error("the control plane ended")]
    Control(#[from] control::Error),
    /// The control plane ended without being told to.
    #[error("the control plane ended by itself")]
    Ended,
}

impl RunError {
    /// How the process ends of it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Admin { .. } | Self::Client(_) | Self::Reach(_) | Self::Lease(_) | Self::LeadershipLost => {
                Exit::Unavailable
            }
            Self::System { .. } | Self::Metrics(_) | Self::Control(_) | Self::Ended => Exit::Internal,
        }
    }
}

/// Runs until told to stop by a signal.
///
/// # Errors
/// Where it cannot start, or cannot go on; [`RunError::exit`] has the code for it.
pub fn run(args: Run) -> Result<(), RunError> {
    let system = |what| move |cause| RunError::System { what, cause };
    telemetry::start(args.log_level, args.log_format)
        .map_err(|error| system("start the log")(io::Error::other(error)))?;
    // Two providers may be linked in; which one is meant must be said before the first connection.
    // Where it has been said already, it was said here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(system("start the threads"))?;
    let outcome = runtime.block_on(serve(args));
    // What is still under way, such as the look-up of a name, is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(args: Run) -> Result<(), RunError> {
    let metrics = Arc::new(Metrics::new()?);
    metrics.watch_process()?;
    let health = Health::default();
    let signals = Signals::new().map_err(|cause| RunError::System { what: "listen for signals", cause })?;
    let address = args.admin_address.to_string();
    let admin = Admin::bind(&args.admin_address, health.clone(), Arc::clone(&metrics))
        .await
        .map_err(|cause| RunError::Admin { address, cause })?;
    if let Ok(address) = admin.address() {
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "started");
    }
    let (stop, stop_admin) = (CancellationToken::new(), CancellationToken::new());
    let answering = tokio::spawn(admin.serve(stop_admin.clone()));
    let listening = tokio::spawn(signals.cancel(stop.clone(), health.clone()));
    let process = Process { args, metrics, health, stop };
    let outcome = process.work().await;
    listening.abort();
    stop_admin.cancel();
    if answering.await.is_err() {
        tracing::debug!("the admin server had failed");
    }
    tracing::info!("stopped");
    outcome
}

/// What lasts as long as the process.
struct Process {
    args: Run,
    metrics: Arc<Metrics>,
    health: Health,
    stop: CancellationToken,
}

impl Process {
    async fn work(&self) -> Result<(), RunError> {
        let client = api::client(Arc::clone(&self.metrics)).await?;
        let patience = Duration::from(self.args.api_timeout);
        if !reach::reach(&client, patience, &self.stop).await? {
            return Ok(());
        }
        let namespace = self
            .args
            .pod_namespace
            .as_ref()
            .map_or_else(|| client.default_namespace().to_owned(), |namespace| namespace.as_str().to_owned());
        let identity = self.args.pod_name.as_ref().map_or_else(
            || format!("wicketgate-operator-{:016x}", random::bits()),
            |name| name.as_str().to_owned(),
        );
        if !self.args.leader_elect {
            return self.lead(client, namespace, identity, None).await;
        }
        self.health.enter(Phase::Standby);
        let config = lease::Config {
            namespace: namespace.clone(),
            name: self.args.lease_name.as_str().to_owned(),
            identity: identity.clone(),
            duration: self.args.lease_duration.into(),
            renewal: self.args.lease_renewal.into(),
        };
        match Elector::new(client.clone(), config).acquire(&self.stop).await? {
            Some(leadership) => self.lead(client, namespace, identity, Some(leadership)).await,
            None => Ok(()),
        }
    }

    /// Reconciles until told to stop, or until leadership is lost.
    async fn lead(
        &self,
        client: Client,
        namespace: String,
        identity: String,
        leadership: Option<Leadership>,
    ) -> Result<(), RunError> {
        self.metrics.leader().set(1);
        self.health.enter(Phase::CatchingUp);
        match &leadership {
            Some(_) => tracing::info!(identity, "leading"),
            None => tracing::info!(identity, "working without an election"),
        }
        let stop = self.stop.child_token();
        let first = self.first_cluster(&client, namespace, &identity);
        let first = first.map(|first| tokio::spawn(first.apply(stop.clone())));
        let health = self.health.clone();
        let control = control::run(
            client,
            self.settings(identity),
            Arc::clone(&self.metrics),
            move || health.synced(),
            stop,
        );
        let lost = async {
            match &leadership {
                Some(leadership) => leadership.lost().await,
                None => std::future::pending().await,
            }
        };
        let drained = async {
            self.stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        let outcome = tokio::select! {
            // Whoever has lost the lease must not write another line, whatever else has happened.
            biased;
            () = lost => Err(RunError::LeadershipLost),
            outcome = control => match outcome {
                // One that is told to stop while it begins says that it has not come far.
                _ if self.stop.is_cancelled() => Ok(()),
                Ok(()) => Err(RunError::Ended),
                Err(error) => Err(error.into()),
            },
            () = drained => {
                tracing::warn!(grace = ?DRAIN, "reconciles did not end in time and are cut off");
                Ok(())
            }
        };
        self.metrics.leader().set(0);
        if let Some(first) = first {
            first.abort();
        }
        if let Some(leadership) = leadership {
            leadership.release().await;
        }
        outcome
    }

    fn settings(&self, instance: String) -> control::Settings {
        let watch_namespaces = match &self.args.watch_namespaces {
            Namespaces::All => Vec::new(),
            Namespaces::Only(names) => names.iter().cloned().collect(),
        };
        let environment = Environment {
            daemon_image: self.args.daemon_image.0.clone(),
            daemon_pull_policy: self.args.daemon_image_pull_policy.0,
            // Whoever reconciles asks the API server.
            service_monitor: false,
            secrets: self.args.read_secrets,
        };
        control::Settings { environment, watch_namespaces, instance }
    }

    fn first_cluster(&self, client: &Client, namespace: String, instance: &str) -> Option<FirstCluster> {
        let config_map = self.args.cluster_manifest.as_ref()?.as_str().to_owned();
        let events = Events::start(client.clone(), instance.to_owned(), Arc::clone(&self.metrics));
        Some(FirstCluster::new(client.clone(), namespace, config_map, events))
    }
}
