//! `wicketgated proxy`: a proxy as a configuration file of throttle-proxy's describes it.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{AppError, signal};
use crate::args::Proxy;
use crate::metrics::{PolicyLabel, ProxyFamilies, SignalCollector};
use crate::proxy::original::{self, Original, internal};
use crate::proxy::secrets::Secrets;
use crate::proxy::upstream::ResolveContext;
use crate::proxy::{Fleet, Surroundings};
use crate::server::{Doors, open, serve_http};

/// How long requests under way may take after the signal to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Runs the proxy until a signal.
///
/// # Errors
/// Where it cannot start.
pub async fn proxy(arguments: Proxy) -> Result<(), AppError> {
    let original = original::load(&arguments.config_file, arguments.signal_interval)?;
    for warning in &original.warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = signal::Signals::new()?;
    let internal = match &original.internal {
        Some(address) => Some(open(address, "the internal API", "internal_listen_addr").await?),
        None => None,
    };
    let internal_at = internal.as_ref().map(|open| open.at.to_string()).unwrap_or_default();
    let running = Running::start(original).await?;
    let (_, grace) = watch::channel(GRACE);
    let internal = internal.map(|open| {
        let router = internal::router(running.metrics());
        tokio::spawn(serve_http(open.listener, router, running.drain.clone(), grace))
    });
    tracing::info!(proxy = running.at, internal = internal_at, "serving");
    let signal = signals.next().await;
    tracing::info!(signal, grace = ?GRACE, "stopping; a second signal stops at once");
    let stop = async {
        running.stop(GRACE).await;
        if let Some(internal) = internal {
            // It only fails where it panicked, which has been said.
            internal.await.ok();
        }
    };
    tokio::select! {
        () = stop => tracing::info!("stopped"),
        signal = signals.again() => tracing::warn!(signal, "stopped at once; requests were cut off"),
    }
    Ok(())
}

/// The proxy while it runs.
struct Running {
    fleet: Arc<Fleet>,
    doors: Arc<Doors>,
    registry: Registry,
    drain: CancellationToken,
    tasks: TaskTracker,
    at: String,
    /// Whether there is a window to show.
    windowed: bool,
}

impl Running {
    async fn start(original: Original) -> Result<Self, AppError> {
        let fault = |error: prometheus::Error| AppError::Fault(error.to_string());
        let (registry, unseen) = (Registry::new(), Registry::new());
        // As in the original: without an observer, nobody counts requests.
        let families =
            ProxyFamilies::original(&registry, if original.observed { &registry } else { &unseen });
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let doors =
            Doors::new(threads).map_err(|cause| AppError::System { what: "threads to serve", cause })?;
        let (doors, drain, tasks) = (Arc::new(doors), CancellationToken::new(), TaskTracker::new());
        let fleet = Arc::new(Fleet::new(Surroundings {
            doors: Arc::clone(&doors),
            host: String::new(),
            node: None,
            families: families.map_err(fault)?,
            secrets: Secrets::default(),
            resolve: ResolveContext::default(),
            drain: drain.clone(),
            tasks: tasks.clone(),
        }));
        let asker = fleet.asker().clone();
        let collector = SignalCollector::new(PolicyLabel::Hidden, move || asker.readings()).map_err(fault)?;
        registry.register(Box::new(collector)).map_err(fault)?;
        register_process(&registry).map_err(fault)?;
        let (source, windowed) = (original.policy.source.clone(), original.backpressure);
        let problems = fleet.set(vec![original.policy]).await;
        if let Some((_, problem)) = problems.into_iter().next() {
            return Err(AppError::Policies(vec![problem]));
        }
        let at = fleet.address(&source).map(|at| at.to_string()).unwrap_or_default();
        Ok(Self { fleet, doors, registry, drain, tasks, at, windowed })
    }

    /// Writes down what the proxy counts.
    fn metrics(&self) -> impl Fn() -> Result<String, prometheus::Error> + Clone + Send + Sync + 'static {
        let (fleet, registry, windowed) = (Arc::clone(&self.fleet), self.registry.clone(), self.windowed);
        move || {
            if windowed {
                fleet.measure();
            }
            let mut text = Vec::new();
            TextEncoder::new().encode(&registry.gather(), &mut text)?;
            String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
        }
    }

    /// Accepts nothing more, and waits for what is under way.
    async fn stop(self, grace: Duration) {
        self.drain.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.doors.close(grace).await;
    }
}

/// The process' own figures, as every program of Prometheus' library has them.
#[cfg(target_os = "linux")]
fn register_process(registry: &Registry) -> Result<(), prometheus::Error> {
    use prometheus::process_collector::ProcessCollector;
    registry.register(Box::new(ProcessCollector::for_self()))
}

/// Elsewhere than on Linux there is nothing to show.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
fn register_process(_: &Registry) -> Result<(), prometheus::Error> {
    Ok(())
}
