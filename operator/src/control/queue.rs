//! Who waits to be reconciled, for the metric: kube's controllers do not say.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crds::reference::ObjectName;
use prometheus::IntGauge;

/// The names that were put into a controller's queue and have not been taken up yet. Its size is that of the
/// cache at most, since a name that is not in it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    names: Mutex<HashSet<ObjectName>>,
    depth: IntGauge,
}

impl Waiting {
    /// Nobody waits. `depth` shows how many do; several queues may share it.
    pub(super) fn new(depth: IntGauge) -> Self {
        Self { names: Mutex::default(), depth }
    }

    /// A name was put into the queue.
    pub(super) fn enter(&self, name: &ObjectName) {
        if self.lock().insert(name.clone()) {
            self.depth.inc();
        }
    }

    /// It is being reconciled, or it is no more.
    pub(super) fn leave(&self, name: &ObjectName) {
        if self.lock().remove(name) {
            self.depth.dec();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ObjectName>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_waits_once() {
        let waiting = Waiting::new(IntGauge::new("depth", "a test's").unwrap());
        let name = |name: &str| ObjectName { namespace: "edge".into(), name: name.into() };
        waiting.enter(&name("a"));
        waiting.enter(&name("a"));
        waiting.enter(&name("b"));
        assert_eq!(waiting.depth.get(), 2);
        waiting.leave(&name("a"));
        waiting.leave(&name("a"));
        assert_eq!(waiting.depth.get(), 1);
    }
}
