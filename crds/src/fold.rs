//! Folds a cluster's objects into its document. Pure: whoever calls has fetched everything.
//!
//! One bad object never holds up the others: it is left out, and its outcome says why.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use kube::{ResourceExt, core::ObjectMeta};

use crate::{
    backpressure::BackpressurePolicy,
    cluster::{RateLimitCluster, RateLimitClusterSpec},
    condition::Reason,
    document::{
        Allowance, DaemonDocument, DocumentError, FORMAT, KeyMatch, LimitEntry, LimitWindow, LiveSettings,
        OverrideEntry, PolicyEntry, StartSettings,
    },
    limit::{Override, RateLimit, RateLimitSpec},
    reference::{ClusterRef, ObjectName},
};

/// The labels of namespaces, by the namespaces' names. Files have none.
pub type NamespaceLabels = BTreeMap<String, BTreeMap<String, String>>;

/// What became of a cluster's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The document, its revision worked out.
    pub document: DaemonDocument,
    /// What became of each RateLimit, in the order given.
    pub limits: Vec<(ObjectName, Outcome)>,
    /// What became of each BackpressurePolicy, in the order given.
    pub policies: Vec<(ObjectName, Outcome)>,
}

/// What became of an object. Displays as a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the document.
    Accepted,
    /// An older object holds what this one claims.
    Conflicted {
        /// The older object.
        winner: ObjectName,
        /// What both claim, such as `the name "checkout"`.
        claim: String,
    },
    /// The cluster does not allow the object's namespace.
    RefNotPermitted {
        /// The object's namespace.
        namespace: String,
        /// The cluster.
        cluster: ObjectName,
    },
    /// The object belongs to another cluster than the one that is folded.
    OtherCluster {
        /// The cluster that the object names.
        cluster: ObjectName,
    },
    /// A value that the schema cannot refuse has no meaning.
    Invalid {
        /// The field, its value, and the way out.
        message: String,
    },
}

impl Outcome {
    /// Whether the object is in the document.
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }

    /// The reason of the object's Accepted condition.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Accepted => Reason::Accepted,
            Self::Conflicted { .. } => Reason::Conflicted,
            Self::RefNotPermitted { .. } => Reason::RefNotPermitted,
            Self::OtherCluster { .. } => Reason::TargetNotFound,
            Self::Invalid { .. } => Reason::Invalid,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("in force"),
            Self::Conflicted { winner, claim } => {
                write!(f, "{claim} is already held by {winner}, which is older or sorts first")
            }
            Self::RefNotPermitted { namespace, cluster } => write!(
                f,
                "the cluster {cluster} does not allow the namespace {namespace}: see its spec.allowedNamespaces"
            ),
            Self::OtherCluster { cluster } => {
                write!(f, "spec.clusterRef names the cluster {cluster}, which is not this one")
            }
            Self::Invalid { message } => f.write_str(message),
        }
    }
}

/// The ports of every pod that are the daemon's own: HTTP, gRPC and other pods.
pub const POD_PORTS: [i32; 3] = [1050, 1051, 1052];

/// Folds one cluster's objects. Objects of other clusters may be among them; they are told apart.
///
/// Fails only if the document cannot be hashed, which its types rule out.
pub fn fold<'a>(
    cluster: &RateLimitCluster,
    limits: impl IntoIterator<Item = &'a RateLimit>,
    policies: impl IntoIterator<Item = &'a BackpressurePolicy>,
    namespaces: &NamespaceLabels,
) -> Result<Folded, DocumentError> {
    fold_with(cluster, limits, policies, namespaces, check)
}

/// What is wrong with a policy by itself, whatever its cluster is: [`BackpressurePolicySpec::check`].
///
/// # Errors
/// Where something is.
///
/// [`BackpressurePolicySpec::check`]: crate::backpressure::BackpressurePolicySpec::check
pub fn check(policy: &BackpressurePolicy) -> Result<(), String> {
    policy.spec.check(&ObjectName::of(&policy.metadata).namespace)
}

/// As [`fold`](fold()), with `checked` in place of [`check`], for who folds often and remembers what was
/// found: expressions are costly to compile.
///
/// Fails only if the document cannot be hashed, which its types rule out.
pub fn fold_with<'a>(
    cluster: &RateLimitCluster,
    limits: impl IntoIterator<Item = &'a RateLimit>,
    policies: impl IntoIterator<Item = &'a BackpressurePolicy>,
    namespaces: &NamespaceLabels,
    mut checked: impl FnMut(&'a BackpressurePolicy) -> Result<(), String>,
) -> Result<Folded, DocumentError> {
    let host = Host { name: ObjectName::of(&cluster.metadata), spec: &cluster.spec, namespaces };
    let (limits, mut rate_limits) = settle(
        &host,
        limits,
        |limit| (&limit.metadata, &limit.spec.cluster_ref),
        |limit| limit_entry(limit).map(|entry| (format!("the name {:?}", entry.name), entry)),
    );
    let (policies, mut backpressure_policies) = settle(
        &host,
        policies,
        |policy| (&policy.metadata, &policy.spec.cluster_ref),
        |policy| {
            let port = policy.spec.listener.port;
            free(port, &cluster.spec)?;
            checked(policy)?;
            let entry = PolicyEntry { source: ObjectName::of(&policy.metadata), spec: policy.spec.clone() };
            Ok((format!("the port {port}"), entry))
        },
    );
    rate_limits.sort_by(|a, b| a.name.cmp(&b.name));
    backpressure_policies.sort_by(|a, b| a.source.cmp(&b.source));
    let mut document = DaemonDocument {
        format: FORMAT,
        revision: String::new(),
        cluster: host.name,
        start: StartSettings::from(&cluster.spec),
        live: LiveSettings { undeclared: cluster.spec.undeclared, headers: cluster.spec.headers.style },
        rate_limits,
        backpressure_policies,
    };
    document.revision = document.content_hash()?;
    Ok(Folded { document, limits, policies })
}

/// The cluster that objects are folded into.
struct Host<'a> {
    name: ObjectName,
    spec: &'a RateLimitClusterSpec,
    namespaces: &'a NamespaceLabels,
}

impl Host<'_> {
    /// Whether an object may be in the cluster's document; if not, why.
    fn admit(&self, object: &ObjectName, reference: &ClusterRef) -> Result<(), Outcome> {
        let cluster = reference.resolve(&object.namespace);
        if cluster != self.name {
            return Err(Outcome::OtherCluster { cluster });
        }
        let labels = self.namespaces.get(&object.namespace);
        if !self.spec.allowed_namespaces.allow(&self.name.namespace, &object.namespace, labels) {
            return Err(Outcome::RefNotPermitted { namespace: object.namespace.clone(), cluster });
        }
        Ok(())
    }
}

/// Builds the entries of all objects that may have one. Where several claim the same, the oldest
/// has it; of those that are as old (files have no age) the one whose name sorts first.
fn settle<'a, T: 'a, E>(
    host: &Host<'_>,
    objects: impl IntoIterator<Item = &'a T>,
    identity: impl Fn(&'a T) -> (&'a ObjectMeta, &'a ClusterRef),
    mut build: impl FnMut(&'a T) -> Result<(String, E), String>,
) -> (Vec<(ObjectName, Outcome)>, Vec<E>) {
    let mut outcomes = Vec::new();
    let mut candidates = Vec::new();
    for (index, object) in objects.into_iter().enumerate() {
        let (meta, reference) = identity(object);
        let name = ObjectName::of(meta);
        let outcome = match host.admit(&name, reference) {
            Err(outcome) => outcome,
            Ok(()) => match build(object) {
                Err(message) => Outcome::Invalid { message },
                Ok((claim, entry)) => {
                    // An object that has no age yet is younger than any that has one.
                    let age = meta.creation_timestamp.as_ref().map(|time| time.0);
                    candidates.push(((age.is_none(), age, name.clone()), index, claim, entry));
                    Outcome::Accepted
                }
            },
        };
        outcomes.push((name, outcome));
    }
    candidates.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    let mut holders: HashMap<String, ObjectName> = HashMap::new();
    let mut entries = Vec::new();
    for ((.., name), index, claim, entry) in candidates {
        match holders.get(&claim) {
            Some(winner) => outcomes[index].1 = Outcome::Conflicted { winner: winner.clone(), claim },
            None => {
                holders.insert(claim, name);
                entries.push(entry);
            }
        }
    }
    (outcomes, entries)
}

/// Whether a listener may have a port, as far as its cluster has a say.
fn free(port: i32, cluster: &RateLimitClusterSpec) -> Result<(), String> {
    let taken = if POD_PORTS.contains(&port) {
        "the pods' own (1050 HTTP, 1051 gRPC, 1052 between pods)"
    } else if port == cluster.service.http_port {
        "that of spec.service.httpPort of the cluster"
    } else if port == cluster.service.grpc_port {
        "that of spec.service.grpcPort of the cluster"
    } else {
        return Ok(());
    };
    Err(format!("spec.listener.port: {port} is {taken}: choose another"))
}

fn limit_entry(limit: &RateLimit) -> Result<LimitEntry, String> {
    let spec = &limit.spec;
    let mut behaviors = spec.behaviors.clone();
    behaviors.sort_unstable();
    behaviors.dedup();
    Ok(LimitEntry {
        name: spec.name.clone().unwrap_or_else(|| limit.name_any()),
        source: ObjectName::of(&limit.metadata),
        limit: spec.limit,
        window: window(spec)?,
        algorithm: spec.algorithm,
        burst: spec.burst,
        behaviors,
        precedence: spec.precedence,
        enforcement: spec.enforcement,
        overrides: spec
            .overrides
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                override_entry(entry).map_err(|fault| format!("spec.overrides[{index}]: {fault}"))
            })
            .collect::<Result<_, _>>()?,
    })
}

// What follows repeats a few rules of the schema: a cluster may hold objects that were stored
// under an older definition, and those never met the rule.

fn window(spec: &RateLimitSpec) -> Result<LimitWindow, String> {
    match (spec.duration, spec.calendar) {
        (None, Some(calendar)) => Ok(LimitWindow::Calendar(calendar)),
        (Some(duration), None) => match duration.exact_millis() {
            Some(millis) if millis > 0 => Ok(LimitWindow::Millis(millis)),
            _ => {
                Err(format!("spec.duration: {duration} is not a whole number of milliseconds, at least 1ms"))
            }
        },
        _ => Err("spec: exactly one of duration and calendar must be given".to_owned()),
    }
}

fn override_entry(entry: &Override) -> Result<OverrideEntry, &'static str> {
    let matches = match (&entry.key, &entry.prefix) {
        (Some(key), None) => KeyMatch::Key(key.clone()),
        (None, Some(prefix)) => KeyMatch::Prefix(prefix.clone()),
        _ => return Err("exactly one of key and prefix must be given"),
    };
    let allows = match (entry.limit, entry.unlimited) {
        (Some(limit), false) => Allowance::Limit(limit),
        (None, true) => Allowance::Unlimited,
        _ => return Err("either limit or unlimited: true must be given"),
    };
    Ok(OverrideEntry { matches, allows })
}

#[cfg(test)]
mod tests;
