//! Whether a connection has anything to do. HTTP/1.1 bounds the wait for the next request by itself; for a
//! client that has not said yet what it speaks, or speaks HTTP/2, nobody else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Pulse {
    open: AtomicUsize,
    begun: AtomicUsize,
    cut: Notify,
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub struct Beat(Arc<Pulse>);

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        // Its end is as good a sign of life as its beginning.
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pulse {
    /// A request begins.
    #[must_use]
    pub fn beat(self: &Arc<Self>) -> Beat {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Beat(Arc::clone(self))
    }

    /// Asks for the connection to be cut: what is on it cannot end well any more.
    pub fn cut(&self) {
        self.cut.notify_one();
    }

    /// Waits until somebody asks for that.
    pub async fn is_cut(&self) {
        self.cut.notified().await;
    }

    /// Returns once nothing has been under way for `idle`, and before twice that; never without a bound.
    pub async fn stops(&self, idle: Option<Duration>) {
        let Some(idle) = idle else { return std::future::pending().await };
        // Looking now and then costs a busy connection less than a timer that each request moves.
        let mut seen = self.begun.load(Ordering::Relaxed);
        loop {
            tokio::time::sleep(idle).await;
            let begun = self.begun.load(Ordering::Relaxed);
            if begun == seen && self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
            seen = begun;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_stops_once_nothing_is_under_way() {
        let pulse = Arc::new(Pulse::default());
        let idle = Duration::from_secs(60);
        let long = Duration::from_secs(600);
        let within = |time| tokio::time::timeout(time, pulse.stops(Some(idle)));
        assert!(within(idle * 2).await.is_ok(), "a connection without a request");
        let beat = pulse.beat();
        assert!(within(long).await.is_err(), "a request is under way");
        drop(beat);
        assert!(within(idle * 2).await.is_ok());
        assert!(tokio::time::timeout(long, pulse.stops(None)).await.is_err(), "there is no bound");
    }
}
