//! SIGINT and SIGTERM.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::AppError;
use crate::clock;

/// Within this time a second signal is an echo of the first.
const REPEAT: Duration = Duration::from_millis(500);

/// The signals that ask the process to stop. Made before anything is served, so that none is missed.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, AppError> {
        let listen =
            |kind| signal(kind).map_err(|cause| AppError::System { what: "to listen for signals", cause });
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The name of the next one that is meant: what repeats the first at once, as when a process and
    /// its group are both told, is the same wish.
    pub(super) async fn again(&mut self) -> &'static str {
        let first = clock::instant();
        loop {
            let signal = self.next().await;
            if first.elapsed() >= REPEAT {
                return signal;
            }
            tracing::info!(signal, "an echo of the first signal, taken for the same");
        }
    }

    /// The name of the next one.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
