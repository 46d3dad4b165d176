//! What this process remembers of one cluster between two reconciles. Nothing of it is needed: a new leader
//! begins without, and does a little more work once.

use std::{collections::HashMap, time::Duration};

use crds::{cluster::RateLimitClusterStatus, reference::ObjectName};
use tokio::time::Instant;

use super::{
    build::Prepared,
    credentials::Looked,
    dereference::{Checked, Declarations},
};
use crate::ledger::Ledger;

/// The shortest time between two documents. A change that comes alone is not held up; a thousand that
/// come at once are a few documents.
pub const DOCUMENT_EVERY: Duration = Duration::from_millis(100);

/// What is remembered of one cluster.
#[derive(Debug, Default)]
pub struct Memory {
    /// Of which object: a cluster that was made anew under the same name is another.
    pub uid: Option<String>,
    /// The documents that were published.
    pub ledger: Ledger,
    /// Whether what the last leader published was entered.
    pub recalled: bool,
    /// When the last one was.
    pub published_at: Option<Instant>,
    /// What was applied, by plural and name.
    pub applied: HashMap<(String, String), Applied>,
    /// The last fold, and of what.
    pub declarations: Option<(Inputs, Declarations)>,
    /// What was found of policies by themselves.
    pub checked: HashMap<ObjectName, Checked>,
    /// What of Secrets was looked at for the pods.
    pub credentials: Looked,
    /// The parts of the document that was published last.
    pub parts: Vec<Prepared>,
    /// The generation of which it was said that it cannot be read.
    pub unreadable_at: Option<i64>,
    /// The status that was written last. The cache may not have seen it yet.
    pub said: Option<RateLimitClusterStatus>,
    /// The generation whose warnings were told.
    pub warned: Option<i64>,
    /// Since when the pods have not all run the document.
    pub unsettled_since: Option<Instant>,
    /// When numbers that move were last written.
    pub numbers_at: Option<Instant>,
    /// Since when the pods' rings have differed.
    pub rings_differ_since: Option<Instant>,
}

/// What a fold depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The cluster's generation.
    pub generation: Option<i64>,
    /// The number of what is declared.
    pub declarations: u64,
}

/// One object that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Of what we wanted.
    pub wanted: u64,
    /// Of what the API server made of it.
    pub made: u64,
    /// The generation that it had then, where its kind has one.
    pub generation: Option<i64>,
    /// The resourceVersion that it had then.
    pub version: Option<String>,
}

impl Memory {
    /// Begins anew for another object of the same name.
    pub fn of(&mut self, uid: Option<&str>) -> &mut Self {
        if self.uid.as_deref() != uid {
            *self = Self { uid: uid.map(str::to_owned), ..Self::default() };
        }
        self
    }

    /// How long the next document has to wait.
    #[must_use]
    pub fn document_in(&self, now: Instant) -> Duration {
        self.published_at.map_or(Duration::ZERO, |at| (at + DOCUMENT_EVERY).saturating_duration_since(now))
    }
}
