//! What accepted policies need of Secrets, brought to the pods: read where it is, and applied as one Secret
//! beside them.
//!
//! Secrets are asked for by name, and never listed or watched. Values are neither kept nor shown: of what
//! was applied, a hash stays. What is not there is left out, and the pods say so of what needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crds::{
    credentials::{SecretKey, needed},
    document::DaemonDocument,
    reference::ObjectName,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client};
use tokio::time::Instant;

use super::{
    applier,
    build::{self, Prepared},
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
/// The longest wait after a look that failed.
const CAP: Duration = Duration::from_secs(300);
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
    /// Looks in a row that failed.
    failures: u32,
    /// Whether the pods' Secret may be there.
    there: bool,
}

impl Looked {
    /// An earlier leader has published this document, and has made what it needs.
    pub fn recall(&mut self, document: &DaemonDocument) {
        self.there = !all(document).is_empty();
    }

    /// How long the next look has to wait.
    fn wait(&self, needed: &BTreeSet<SecretKey>, now: Instant) -> Option<Duration> {
        let due = if self.needed == *needed { self.next } else { self.at.map(|at| at + SETTLE) };
        due.map(|due| due.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    fn failed(&mut self, now: Instant) -> Duration {
        let wait = backoff::spread(backoff::doubled(SETTLE, CAP, self.failures), random::bits());
        self.failures = self.failures.saturating_add(1);
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
    let entries = read(context, name, &needed).await;
    memory.credentials.needed = needed;
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            let wait = memory.credentials.failed(now);
            tracing::warn!(cluster = %name, error = chain(&error), again_in = ?wait, "Secrets cannot be read");
            return Ok(Some(wait));
        }
    };
    memory.credentials.there = true;
    let secret = Prepared::of(&build::credentials(identity, entries)).map_err(ReconcileError::Render)?;
    let mut applier = applier(context, name, identity.owner(), memory);
    applier.look_at(&target).await?;
    applier.apply(std::slice::from_ref(&secret)).await?;
    memory.credentials.failures = 0;
    memory.credentials.next = Some(now + LOOK_EVERY);
    Ok(Some(LOOK_EVERY))
}

/// The values of those keys that are there, as the pods' Secret has them.
async fn read(
    context: &Context,
    cluster: &ObjectName,
    needed: &BTreeSet<SecretKey>,
) -> Result<BTreeMap<String, ByteString>, kube::Error> {
    let mut secrets: BTreeMap<ObjectName, Vec<SecretKey>> = BTreeMap::new();
    for key in needed {
        let secret = ObjectName { namespace: key.namespace.clone(), name: key.name.clone() };
        secrets.entry(secret).or_default().push(key.clone());
    }
    let asked =
        secrets.into_iter().map(|(secret, keys)| ask(context.client.clone(), cluster.clone(), secret, keys));
    let found: Vec<Vec<(String, ByteString)>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The values of these keys of a Secret; none where it is not there, or where we may not know.
async fn ask(
    client: Client,
    cluster: ObjectName,
    secret: ObjectName,
    keys: Vec<SecretKey>,
) -> Result<Vec<(String, ByteString)>, kube::Error> {
    let api: Api<Secret> = Api::namespaced(client, &secret.namespace);
    let held = match api.get_opt(&secret.name).await {
        Ok(held) => held,
        Err(kube::Error::Api(status)) if status.code == 403 => {
            tracing::warn!(%cluster, %secret, "the operator may not read a Secret that a policy names");
            None
        }
        Err(error) => return Err(error),
    };
    // What we made holds values of other namespaces, which a policy beside it has no right to.
    let theirs = held.filter(|held| owner_of(held).is_none());
    let data = theirs.and_then(|theirs| theirs.data).unwrap_or_default();
    Ok(keys.into_iter().filter_map(|key| Some((key.entry()?, data.get(&key.key)?.clone()))).collect())
}
