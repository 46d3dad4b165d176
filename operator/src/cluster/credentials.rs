//! What accepted policies need of Secrets, brought to the pods: read where it is, and applied as one Secret
//! beside them.
//!
//! Secrets are asked for by name, and never listed or watched. Values are neither kept nor shown: of what
//! was applied, a hash stays. What is not there is left out, and the pods say so of what needs it. Of what
//! cannot be read nobody knows whether it is there, so the pods keep what they have of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crds::{
    credentials::{SecretKey, needed},
    document::DaemonDocument,
    reference::ObjectName,
};
use futures_util::{StreamExt as _, stream};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client};
use tokio::time::Instant;

use super::{
    applier,
    apply::owned_by,
    build::{self, Named, Prepared},
    dereference::Declarations,
    memory::Memory,
    validate::Identity,
};
use crate::{
    backoff, cache::owner_of, causes::chain, clock, context::Context, control::ReconcileError, random,
};

/// How often Secrets are looked at while policies name some.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The shortest time between two looks, when policies change.
const SETTLE: Duration = Duration::from_secs(1);
/// Secrets that are asked for at once.
const AT_ONCE: usize = 8;

/// What a process remembers of its looks at Secrets. No value is among it.
#[derive(Debug, Default)]
pub struct Looked {
    /// For what the last look was.
    needed: BTreeSet<SecretKey>,
    /// When that was.
    at: Option<Instant>,
    /// When the next one is due.
    next: Option<Instant>,
    /// Looks in a row in which a Secret could not be read.
    failures: u32,
    /// Secrets that could not be read in the last one.
    unread: BTreeMap<ObjectName, Unread>,
    /// Whether the pods' Secret may be there.
    there: bool,
}

/// A Secret that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unread {
    /// Why not, at the last look.
    why: String,
    /// What its policies say of that. What one look finds is over at the next one, often enough, and answers
    /// may take turns: so it is what has come twice in a row, and at first whatever the second look has found.
    told: Option<String>,
}

impl Unread {
    /// After one more look, where it was so `before`.
    fn again(before: Option<&Self>, why: String) -> Self {
        let told = before.map(|before| match &before.told {
            Some(told) if before.why != why => told.clone(),
            _ => why.clone(),
        });
        Self { why, told }
    }
}

impl Looked {
    /// An earlier leader has published this document, and has made what it needs.
    pub fn recall(&mut self, document: &DaemonDocument) {
        self.there = !all(document).is_empty();
    }

    /// Why a Secret cannot be read, where that has been so for more than one look.
    #[must_use]
    pub fn unread(&self, secret: &ObjectName) -> Option<&str> {
        self.unread.get(secret)?.told.as_deref()
    }

    /// How long the next look has to wait.
    fn wait(&self, needed: &BTreeSet<SecretKey>, now: Instant) -> Option<Duration> {
        let due = if self.needed == *needed { self.next } else { self.at.map(|at| at + SETTLE) };
        due.map(|due| due.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// A look is over. Returns when the next one is due: soon where something could not be read, and never
    /// later than it were otherwise.
    fn looked(&mut self, now: Instant) -> Duration {
        let wait = if self.unread.is_empty() {
            self.failures = 0;
            LOOK_EVERY
        } else {
            let wait = backoff::doubled(SETTLE, LOOK_EVERY, self.failures);
            self.failures = self.failures.saturating_add(1);
            backoff::spread(wait, random::bits())
        };
        self.next = Some(now + wait);
        wait
    }
}

/// All that the policies of a document need.
fn all(document: &DaemonDocument) -> BTreeSet<SecretKey> {
    let policies = document.backpressure_policies.iter();
    policies.flat_map(|policy| needed(&policy.spec, &policy.source.namespace)).collect()
}

/// Brings what is needed to the pods, if it is time to look. Returns when to look again.
///
/// # Errors
/// Where the pods' Secret cannot be applied or deleted. Secrets that cannot be read hold up nothing else:
/// they are tried again.
pub(super) async fn apply(
    context: &Context,
    name: &ObjectName,
    identity: &Identity,
    declarations: &Declarations,
    memory: &mut Memory,
) -> Result<Option<Duration>, ReconcileError> {
    if !context.environment.secrets {
        return Ok(None);
    }
    let needed = all(&declarations.folded.document);
    let target = build::credentials_named(identity);
    if needed.is_empty() {
        if memory.credentials.there {
            applier(context, name, identity.owner(), memory).delete_unwatched(&target).await?;
            memory.credentials = Looked::default();
        }
        return Ok(None);
    }
    let now = clock::instant();
    if let Some(wait) = memory.credentials.wait(&needed, now) {
        return Ok(Some(wait));
    }
    memory.credentials.at = Some(now);
    let Found { mut entries, unread } = read(context, &needed).await;
    let keys: Vec<SecretKey> = unread.values().flat_map(|(keys, _)| keys).cloned().collect();
    memory.credentials.needed = needed;
    let before = std::mem::take(&mut memory.credentials.unread);
    let unread = unread.into_iter().map(|(secret, (_, why))| {
        let unread = Unread::again(before.get(&secret), why);
        (secret, unread)
    });
    memory.credentials.unread = unread.collect();
    for (secret, Unread { why: error, .. }) in &memory.credentials.unread {
        tracing::warn!(cluster = %name, %secret, error, "a Secret that a policy names cannot be read");
    }
    match held(context, &target, &identity.owner().uid, &keys).await {
        Ok(held) => entries.extend(held),
        Err(error) => {
            let error = reason(&error);
            tracing::warn!(cluster = %name, error, "the pods' Secret cannot be read, and stays as it is");
            return Ok(Some(memory.credentials.looked(now)));
        }
    }
    memory.credentials.there = true;
    let secret = Prepared::of(&build::credentials(identity, entries)).map_err(ReconcileError::Render)?;
    let mut applier = applier(context, name, identity.owner(), memory);
    applier.look_at(&target).await?;
    applier.apply(std::slice::from_ref(&secret)).await?;
    Ok(Some(memory.credentials.looked(now)))
}

/// What a look at Secrets has brought.
#[derive(Default)]
struct Found {
    /// The values that are there, as the pods' Secret has them.
    entries: BTreeMap<String, ByteString>,
    /// Secrets that cannot be read: the keys that are needed of each, and why it cannot.
    unread: BTreeMap<ObjectName, (Vec<SecretKey>, String)>,
}

async fn read(context: &Context, needed: &BTreeSet<SecretKey>) -> Found {
    let mut secrets: BTreeMap<ObjectName, Vec<SecretKey>> = BTreeMap::new();
    for key in needed {
        secrets.entry(holder(key)).or_default().push(key.clone());
    }
    let asked = secrets.into_iter().map(|(secret, keys)| async {
        let answer = ask(&context.client, &secret, &keys).await;
        (secret, keys, answer)
    });
    let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut found = Found::default();
    while let Some((secret, keys, answer)) = answers.next().await {
        match answer {
            Ok(values) => found.entries.extend(values),
            Err(error) => drop(found.unread.insert(secret, (keys, reason(&error)))),
        }
    }
    found
}

/// The Secret that holds a key.
pub(super) fn holder(key: &SecretKey) -> ObjectName {
    ObjectName { namespace: key.namespace.clone(), name: key.name.clone() }
}

/// Why, in the API server's words where it said anything.
fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        // Its words may repeat what was answered, which is secret.
        kube::Error::SerdeError(_) => "what the API server answers is no Secret".to_owned(),
        error => chain(error),
    }
}

/// The values of those `keys` of a Secret that are there.
async fn ask(
    client: &Client,
    secret: &ObjectName,
    keys: &[SecretKey],
) -> Result<Vec<(String, ByteString)>, kube::Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &secret.namespace);
    // What we made holds values of other namespaces, which a policy beside it has no right to.
    let theirs = api.get_opt(&secret.name).await?.filter(|held| owner_of(held).is_none());
    let data = theirs.and_then(|theirs| theirs.data).unwrap_or_default();
    Ok(keys.iter().filter_map(|key| Some((key.entry()?, data.get(&key.key)?.clone()))).collect())
}

/// What the pods have of `keys`; where there are none, nobody is asked.
async fn held(
    context: &Context,
    target: &Named,
    uid: &str,
    keys: &[SecretKey],
) -> Result<Vec<(String, ByteString)>, kube::Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &target.namespace);
    let ours = api.get_opt(&target.name).await?.filter(|held| owned_by(held, uid));
    let data = ours.and_then(|ours| ours.data).unwrap_or_default();
    let entries = keys.iter().filter_map(SecretKey::entry);
    Ok(entries.filter_map(|entry| Some((entry.clone(), data.get(&entry)?.clone()))).collect())
}
