//! Puts a document in force, or refuses it and says so once.

use std::sync::Arc;

use crds::document::{DaemonDocument, DocumentError};
use crds::reference::ObjectName;
use crds::report::Refusal;
use engine::Tick;

use super::assembly::Assembly;
use crate::api::{chain, shorten};
use crate::clock;
use crate::limits::Limits;
use crate::metrics::DocumentOrigin;
use crate::node::{Awaited, Node};
use crate::proxy::Fleet;
use crate::proxy::policy::{Policy, declared};

/// What became of documents so far.
pub(super) struct Keeper {
    node: Arc<Node>,
    fleet: Option<Arc<Fleet>>,
    /// Revision and length of text of the document in force, as its parts state them.
    in_force: Option<Seen>,
    /// The last one that was refused.
    refused: Option<(Option<Seen>, Refusal)>,
    /// The origin that is shown.
    origin: Option<DocumentOrigin>,
    /// Whether it has been said that the document is gone, or incomplete.
    told: Option<String>,
}

/// By what a text is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    revision: String,
    hash: u64,
}

/// A document that was read, ready to be put in force.
struct Taken {
    limits: Limits,
    policies: Vec<Policy>,
    /// Those that make no sense here, and why.
    refused: Vec<(ObjectName, String)>,
}

impl Keeper {
    /// Brings limits to the node and policies to the fleet, where there is one.
    pub(super) const fn new(node: Arc<Node>, fleet: Option<Arc<Fleet>>) -> Self {
        Self { node, fleet, in_force: None, refused: None, origin: None, told: None }
    }

    /// Says why there is nothing to take yet.
    pub(super) fn waits(&self, why: &str) {
        if !why.is_empty() {
            self.node.awaits(Awaited::Document, why);
        }
    }

    /// Takes what was put together; a text that was taken or refused already is not read again.
    pub(super) async fn take(&mut self, assembly: Assembly, origin: DocumentOrigin) {
        match assembly {
            Assembly::Whole { revision, text, .. } => {
                self.told = None;
                let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
                let seen = Seen { revision, hash };
                if self.in_force.as_ref() == Some(&seen) {
                    self.refused = None;
                    self.node.forget_refusal();
                    self.show(origin);
                } else if self.refused.as_ref().is_none_or(|(refused, _)| refused.as_ref() != Some(&seen)) {
                    self.read(seen, text, origin).await;
                }
            }
            Assembly::Wrong(refusal) => self.refuse(None, refusal),
            Assembly::Missing { what } => self.lacks(format!("{what} is not there")),
            Assembly::Incomplete { why, .. } => self.lacks(why),
        }
    }

    async fn read(&mut self, seen: Seen, text: String, origin: DocumentOrigin) {
        let (node, started) = (Arc::clone(&self.node), clock::tick());
        // Some milliseconds for each thousand limits, in which the runtime has others to serve.
        let read = tokio::task::spawn_blocking(move || {
            let document = DaemonDocument::parse(&text)?;
            let (policies, refused) = declared::policies(&document);
            let limits = Limits::new(&document, node.metrics());
            Ok::<_, DocumentError>(Taken { limits, policies, refused })
        });
        let read = match read.await {
            Ok(read) => read.map_err(|error| shorten(chain(&error))),
            // A panic while reading is a fault of ours; the document in force is as good as before.
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(taken) => self.put(seen, taken, origin, started).await,
            Err(reason) => {
                let revision = seen.revision.clone();
                self.refuse(Some(seen), Refusal { revision, reason });
            }
        }
    }

    async fn put(&mut self, seen: Seen, taken: Taken, origin: DocumentOrigin, started: Tick) {
        let Taken { limits, policies, refused } = taken;
        let (revision, declared, served) = (limits.revision().to_owned(), limits.len(), policies.len());
        if let Some(fleet) = &self.fleet {
            // What keeps a policy from being served is reported with it. Who hears the revision hears
            // that, too, so policies come first.
            fleet.set_refused(refused);
            fleet.set(policies).await;
            self.node.policies_changed();
        }
        self.node.set_limits(limits);
        self.node.has(Awaited::Document);
        if self.in_force.is_some() {
            self.node.metrics().reloads_succeeded.inc();
        }
        self.in_force = Some(seen);
        self.refused = None;
        self.show(origin);
        let took = clock::between(started, clock::tick());
        tracing::info!(
            revision,
            limits = declared,
            policies = served,
            from = origin.word(),
            ?took,
            "what is declared is in force"
        );
    }

    fn show(&mut self, origin: DocumentOrigin) {
        if self.origin != Some(origin) {
            self.node.metrics().set_document_origin(origin);
            self.origin = Some(origin);
        }
    }

    fn refuse(&mut self, seen: Option<Seen>, refusal: Refusal) {
        let known = self.refused.as_ref().is_some_and(|(_, before)| *before == refusal);
        if !known {
            self.node.metrics().reloads_failed.inc();
            tracing::error!(
                revision = refusal.revision,
                in_force = self.node.limits().revision(),
                "a document is refused, what was in force stays: {}",
                refusal.reason
            );
            self.node.awaits(Awaited::Document, &format!("the only one was refused: {}", refusal.reason));
            self.node.refuse(refusal.clone());
        }
        self.refused = Some((seen, refusal));
    }

    /// There is no document, or not all of it. One that is in force stays.
    fn lacks(&mut self, why: String) {
        self.node.awaits(Awaited::Document, &why);
        if self.told.as_ref() == Some(&why) {
            return;
        }
        if self.in_force.is_some() {
            tracing::info!("the document in force stays: {why}");
        } else {
            tracing::info!("there is no document yet: {why}");
        }
        self.told = Some(why);
    }
}

#[cfg(test)]
mod tests;
