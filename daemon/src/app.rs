//! The composition root: builds the rooms, owns every task, and takes everything down in order.

mod cluster;
mod kubernetes;
mod manifests;
mod plan;
mod proxy;
mod reload;
mod signal;

use std::path::PathBuf;

use crate::api::ApiError;
use crate::args::{Check, Exit, Standalone};
use crate::peers::RosterError;
use crate::proxy::original::LoadError;
use crate::proxy::secrets::folder::{self, FolderError};
use crate::settings::Settings;
use cluster::{Cluster, RingPlan, World};
use manifests::Loaded;
use plan::NodePlan;

pub use crate::server::BindError;
pub use manifests::ManifestError;
pub use proxy::proxy;

/// Why the daemon did not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A listener could not be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Manifests are missing or wrong.
    #[error(transparent)]
    Manifests(#[from] ManifestError),
    /// A configuration file of throttle-proxy's cannot be run.
    #[error(transparent)]
    Original(#[from] LoadError),
    /// There is no way to the Kubernetes API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A peer's address cannot be dialled.
    #[error(transparent)]
    Peer(#[from] RosterError),
    /// There are more nodes than ports above the first.
    #[error("{flag} {first} leaves no port for replica {nth}, as each node takes two; choose a lower one")]
    Port {
        /// The flag that says where the first node listens.
        flag: String,
        /// What it says.
        first: String,
        /// The first node without a port, counted from 0.
        nth: u16,
    },
    /// The system refused something that every process may have.
    #[error("the system refused {what}: {cause}")]
    System {
        /// What was asked.
        what: &'static str,
        /// What it said.
        cause: std::io::Error,
    },
    /// Secrets cannot be read.
    #[error("--secrets: {0}")]
    Secrets(#[from] FolderError),
    /// Policies cannot be served: what is in the way of each.
    #[error("{}", .0.join("\n"))]
    Policies(Vec<String>),
    /// Ours alone.
    #[error("a fault of ours: {0}")]
    Fault(String),
}

impl AppError {
    /// How the process ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Bind(_) | Self::Policies(_) => Exit::Unavailable,
            Self::Manifests(_) | Self::Secrets(_) => Exit::Manifests,
            Self::Peer(_) | Self::Port { .. } | Self::Api(_) | Self::Original(_) => Exit::Usage,
            Self::System { .. } | Self::Fault(_) => Exit::Internal,
        }
    }
}

/// Runs one node until a signal.
///
/// # Errors
/// Where it cannot start.
pub async fn serve(settings: Settings) -> Result<(), AppError> {
    let files = settings.limits.clone();
    let document = match files.as_slice() {
        [] => None,
        files => Some(manifests::load_limits(files)?),
    };
    let (delay, grace) = (settings.termination_delay, settings.drain_timeout);
    let threads = settings.threads;
    let ring = RingPlan::of(&settings.discovery);
    let follow = kubernetes::Follow::of(&settings).await?;
    let signals = signal::Signals::new()?;
    let world = follow.world();
    let cluster =
        Cluster::start(vec![NodePlan::of(settings)], threads, ring, world, document.as_ref()).await?;
    follow.start(&cluster);
    let watch = (!files.is_empty()).then(|| reload::watch(&cluster, files, manifests::load_limits, document));
    run_until_signal(cluster, watch, signals, delay, grace).await;
    Ok(())
}

/// Runs a whole cluster from manifests until a signal.
///
/// # Errors
/// Where it cannot start.
pub async fn standalone(arguments: Standalone) -> Result<(), AppError> {
    let loaded = manifests::load_cluster(&arguments.files)?;
    let plans = plan::of_cluster(&loaded, &arguments)?;
    let grace = loaded.drain_timeout();
    let signals = signal::Signals::new()?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let world = World::default();
    let secrets = world.secrets.clone();
    if let Some(folder) = &arguments.secrets {
        secrets.set(folder::read(folder)?);
    }
    let cluster = Cluster::start(plans, threads, RingPlan::Ourselves, world, Some(&loaded)).await?;
    if let Some(folder) = arguments.secrets.clone() {
        cluster.watch(folder::run(folder, secrets));
    }
    let watch = (!arguments.no_watch)
        .then(|| reload::watch(&cluster, arguments.files, manifests::load_cluster, Some(loaded)));
    run_until_signal(cluster, watch, signals, std::time::Duration::ZERO, grace).await;
    Ok(())
}

async fn run_until_signal(
    cluster: Cluster,
    watch: Option<reload::Watch>,
    mut signals: signal::Signals,
    delay: std::time::Duration,
    grace: std::time::Duration,
) {
    let signal = signals.next().await;
    tracing::info!(signal, ?delay, ?grace, "stopping; a second signal stops at once");
    drop(watch);
    tokio::select! {
        () = cluster.stop(delay, grace) => tracing::info!("stopped"),
        signal = signals.again() => tracing::warn!(signal, "stopped at once; calls were cut off"),
    }
}

/// Validates manifests; writes every problem to `out`.
///
/// # Errors
/// Where a manifest is wrong or cannot be read.
pub fn check(arguments: &Check, out: &mut dyn std::io::Write) -> Result<(), ManifestError> {
    let summary = manifests::check(&arguments.files)?;
    // Whoever closed the pipe does not want to know.
    writeln!(out, "{summary}").ok();
    Ok(())
}

/// Files and folders that manifests are read from.
type Paths = [PathBuf];
/// How manifests become what is declared.
type Load = fn(&Paths) -> Result<Loaded, ManifestError>;
