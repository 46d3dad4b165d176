//! `wicketgated proxy`: a proxy as a configuration file of throttle-proxy's describes it.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{AppError, signal};
use crate::args::Proxy;
use crate::proxy::original::{self, Original, internal};
use crate::server::{self as bind, Open, serve_http};

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
    let drain = CancellationToken::new();
    let _drain = drain.clone().drop_guard();
    let internal = match &original.internal {
        Some(address) => Some(bind::open(address, "the internal API", "internal_listen_addr").await?),
        None => None,
    };
    let public = bind::open(&original.listen, "the proxy", "insecure_listen_addr").await?;
    let public_at = public.at;
    let internal_at = internal.as_ref().map(|open| open.at.to_string()).unwrap_or_default();
    let running = start(original, public)?;
    let (_, grace) = watch::channel(GRACE);
    let internal = internal.map(|open| {
        let router = internal::router(running.metrics());
        tokio::spawn(serve_http(open.listener, router, drain.clone(), grace))
    });
    tracing::info!(proxy = %public_at, internal = internal_at, "serving");
    let signal = signals.next().await;
    tracing::info!(signal, grace = ?GRACE, "stopping; a second signal stops at once");
    drain.cancel();
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

/// The proxy while it runs: nothing can be one before [`start`] makes it.
enum Running {}

/// Starts the proxy at `public`. THE SERVER IS PLUGGED IN HERE: its start in place of this body, and its
/// handle in place of [`Running`].
fn start(original: Original, public: Open) -> Result<Running, AppError> {
    drop((original, public));
    Err(AppError::Fault("this build checks the file and opens the ports, and cannot serve yet".to_owned()))
}

impl Running {
    /// Writes down what the proxy counts.
    fn metrics(&self) -> fn() -> Result<String, prometheus::Error> {
        match *self {}
    }

    /// Accepts nothing more, and waits for what is under way.
    async fn stop(self, _grace: Duration) {
        match self {}
    }
}
