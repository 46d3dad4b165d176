//! Which document first had which entry, so that an old revision tells whether a pod has it.
//!
//! Documents are numbered in the order in which they were published. An entry is `since` the first
//! document of the unbroken row of documents that have it as it is now. A pod that runs any document
//! of that row runs the entry, so a change elsewhere says nothing about it, and writes nothing.
//! Pure: whoever calls has published.

use std::collections::{HashMap, VecDeque};

use crds::{document::DaemonDocument, reference::ObjectName};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

/// How many documents are remembered. A pod that runs an older one is far behind.
const REMEMBERED: usize = 256;

/// What an entry of the document comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A RateLimit.
    Limit(ObjectName),
    /// A BackpressurePolicy.
    Policy(ObjectName),
}

impl Source {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &ObjectName {
        match self {
            Self::Limit(name) | Self::Policy(name) => name,
        }
    }
}

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The number of the first document that has it as it is.
    pub number: u64,
    /// That document's revision.
    pub revision: String,
}

/// The documents that one cluster was given by this process.
#[derive(Debug, Default)]
pub struct Ledger {
    published: u64,
    revision: String,
    remembered: VecDeque<(String, u64)>,
    entries: HashMap<Source, (u64, Since)>,
}

impl Ledger {
    /// The revision that was published last; empty before the first.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Enters a document that every pod can now read.
    pub fn publish(&mut self, document: &DaemonDocument) {
        if self.published > 0 && self.revision == document.revision {
            return;
        }
        self.published += 1;
        self.revision.clone_from(&document.revision);
        self.remembered.retain(|(revision, _)| *revision != document.revision);
        self.remembered.push_front((document.revision.clone(), self.published));
        self.remembered.truncate(REMEMBERED);
        let mut before = std::mem::take(&mut self.entries);
        for (source, hash) in entries(document) {
            let since = match before.remove(&source) {
                Some((known, since)) if known == hash => since,
                _ => Since { number: self.published, revision: document.revision.clone() },
            };
            self.entries.insert(source, (hash, since));
        }
    }

    /// The number of a document; nothing where it is unknown or long gone.
    #[must_use]
    pub fn number(&self, revision: &str) -> Option<u64> {
        self.remembered.iter().find(|(known, _)| known == revision).map(|(_, number)| *number)
    }

    /// Since when the published documents have this entry of `document`; nothing where the last one
    /// has another, or none.
    #[must_use]
    pub fn since(&self, source: &Source, hash: u64) -> Option<&Since> {
        self.entries.get(source).filter(|(known, _)| *known == hash).map(|(_, since)| since)
    }
}

/// The entries of a document, each with a hash of what it says.
pub fn entries(document: &DaemonDocument) -> impl Iterator<Item = (Source, u64)> {
    let limits = document.rate_limits.iter().map(|entry| (Source::Limit(entry.source.clone()), hash(entry)));
    let policies = document
        .backpressure_policies
        .iter()
        .map(|entry| (Source::Policy(entry.source.clone()), hash(entry)));
    limits.chain(policies)
}

/// A document's entries are plain data, whose rendering cannot fail; if one did, its entry would be
/// taken for unchanged at worst.
fn hash(entry: &impl Serialize) -> u64 {
    xxh3_64(&serde_json::to_vec(entry).unwrap_or_default())
}

#[cfg(test)]
mod tests;
