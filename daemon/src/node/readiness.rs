//! What a node still waits for before it wants requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What a node must have before it wants requests. None of it depends on another node being well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Its own name on its ring.
    pub listing: bool,
    /// A first word of who else is there.
    pub discovery: bool,
    /// A document in force.
    pub document: bool,
}

impl Needs {
    /// A node whose ring is told beforehand needs to be on it, and nothing else.
    pub const LISTING: Self = Self { listing: true, discovery: false, document: false };
}

/// Something that comes from outside, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// A first word of who else is there.
    Discovery,
    /// A document in force.
    Document,
}

/// What has not come yet, and why.
#[derive(Debug)]
pub(super) struct Readiness {
    listing: bool,
    awaited: Mutex<BTreeMap<Awaited, String>>,
}

impl Readiness {
    pub(super) fn new(needs: &Needs) -> Self {
        let wanted = [(needs.discovery, Awaited::Discovery), (needs.document, Awaited::Document)];
        let wanted = wanted.into_iter().filter(|(needed, _)| *needed);
        Self {
            listing: needs.listing,
            awaited: Mutex::new(
                wanted.map(|(_, what)| (what, "the Kubernetes API is being asked".to_owned())).collect(),
            ),
        }
    }

    pub(super) fn awaits(&self, what: Awaited, why: &str) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = awaited.get_mut(&what) {
            why.clone_into(text);
        }
    }

    /// Whether it had not come before.
    pub(super) fn has(&self, what: Awaited) -> bool {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).remove(&what).is_some()
    }

    /// Whether all has come; `is_listed` is asked only where that is needed.
    pub(super) fn check(&self, is_listed: impl Fn() -> bool) -> Result<(), String> {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<_> = awaited
            .iter()
            .map(|(what, why)| match what {
                Awaited::Discovery => format!("no word of the other pods yet: {why}"),
                Awaited::Document => format!("no document yet: {why}"),
            })
            .collect();
        drop(awaited);
        if self.listing && !is_listed() {
            missing.push("this instance is not in the peer list yet".to_owned());
        }
        if missing.is_empty() { Ok(()) } else { Err(missing.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_all_it_needs_has_come() {
        let readiness = Readiness::new(&Needs { listing: false, discovery: true, document: true });
        readiness.awaits(Awaited::Document, "main-0 is not there");
        let text = readiness.check(|| false).expect_err("nothing has come");
        assert_eq!(
            text,
            "no word of the other pods yet: the Kubernetes API is being asked; no document yet: main-0 is not there"
        );
        assert!(readiness.has(Awaited::Discovery) && !readiness.has(Awaited::Discovery));
        readiness.has(Awaited::Document);
        assert_eq!(readiness.check(|| false), Ok(()));
        readiness.awaits(Awaited::Document, "what came once stays");
        assert_eq!(readiness.check(|| false), Ok(()));
    }

    #[test]
    fn a_node_of_a_ring_that_was_told_must_be_on_it() {
        let readiness = Readiness::new(&Needs::LISTING);
        assert!(readiness.check(|| false).is_err_and(|text| text.contains("not in the peer list")));
        assert_eq!(readiness.check(|| true), Ok(()));
    }
}
