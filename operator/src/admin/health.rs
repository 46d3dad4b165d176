//! Whether the process is ready, as its parts say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the process is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It has not spoken to the API server yet.
    #[default]
    Starting,
    /// Another process leads; this one would take over at any time.
    Standby,
    /// It leads, and is reading what there is.
    CatchingUp,
    /// It leads, and has read everything.
    Leading,
    /// It has been told to end.
    Stopping,
}

/// Shared by whoever knows and whoever answers. Clones are of the same process.
#[derive(Clone, Debug, Default)]
pub struct Health {
    phase: Arc<Mutex<Phase>>,
}

impl Health {
    /// The process is in `phase` now.
    pub fn enter(&self, phase: Phase) {
        *self.lock() = phase;
    }

    /// The watches of the leader have read everything there is.
    pub fn synced(&self) {
        let mut phase = self.lock();
        // One that has been told to end is not ready again.
        if *phase == Phase::CatchingUp {
            *phase = Phase::Leading;
        }
    }

    /// A word, or why it is not ready.
    pub(super) fn ready(&self) -> Result<&'static str, String> {
        match *self.lock() {
            Phase::Standby => Ok("standing by"),
            Phase::Leading => Ok("leading"),
            Phase::Starting => Err("starting: the API server has not answered yet".to_owned()),
            Phase::CatchingUp => Err("leading: the watches have not read everything yet".to_owned()),
            Phase::Stopping => Err("stopping".to_owned()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stands_by_or_leads_with_full_sight_is_ready() {
        let health = Health::default();
        let ready = |phase| {
            health.enter(phase);
            health.ready().is_ok()
        };
        assert!(health.ready().is_err());
        assert!(ready(Phase::Standby) && ready(Phase::Leading));
        assert!(!ready(Phase::CatchingUp) && !ready(Phase::Stopping));
    }

    #[test]
    fn watches_that_catch_up_at_the_end_make_nothing_ready() {
        let health = Health::default();
        health.enter(Phase::CatchingUp);
        health.synced();
        assert_eq!(health.ready(), Ok("leading"));
        health.enter(Phase::Stopping);
        health.synced();
        assert!(health.ready().is_err());
    }
}
