//! Manifests from files and folders, folded into what the nodes of this process shall do.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crds::cluster::{NamespacesFrom, RateLimitCluster};
use crds::document::DaemonDocument;
use crds::fold::{Folded, NamespaceLabels, Outcome, fold};
use crds::limit::RateLimit;
use crds::manifest::{self, Manifest, Manifests, Problem};
use crds::reference::ObjectName;

use crate::proxy::policy::{Policy, declared};

/// Folders inside folders, at most.
const MAX_DEPTH: usize = 16;

/// What manifests declare, ready to be taken into force.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) document: DaemonDocument,
    pub(super) replicas: u16,
    cluster: Option<RateLimitCluster>,
    left_out: Vec<(ObjectName, Outcome)>,
    pub(super) policies: Vec<Policy>,
}

/// Why manifests declare nothing that could be taken into force.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Something in them is wrong: every problem, a line each.
    #[error("{}", lines(.0))]
    Problems(Vec<Problem>),
    /// They are right each by itself, and together are no cluster.
    #[error("{0}")]
    Together(String),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What a check found.
#[derive(Debug)]
pub(super) struct Summary {
    clusters: usize,
    limits: usize,
    policies: usize,
    /// Objects whose cluster selects namespaces by labels, which files do not tell.
    by_labels: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clusters, limits, policies, by_labels } = self;
        write!(
            f,
            "valid: {clusters} RateLimitCluster, {limits} RateLimit, {policies} BackpressurePolicy resources"
        )?;
        match by_labels {
            0 => Ok(()),
            _ => write!(
                f,
                "; whether the namespaces of {by_labels} have the labels that are asked for is not known here"
            ),
        }
    }
}

impl Loaded {
    /// How long calls may take once the cluster is asked to stop.
    pub(super) fn drain_timeout(&self) -> Duration {
        self.cluster.as_ref().map_or(Duration::from_secs(30), |cluster| cluster.spec.drain.timeout.get())
    }

    /// A value that only this machine can judge.
    pub(super) fn invalid(&self, field: &str, why: &str) -> ManifestError {
        ManifestError::Together(format!("RateLimitCluster {}: {field}: {why}", self.document.cluster))
    }

    /// Whether a change from `before` needs a restart, as it is about more than limits.
    pub(super) fn needs_restart(&self, before: &Self) -> bool {
        self.replicas != before.replicas || self.document.start != before.document.start
    }

    /// Tells the log what is in force and what was left out.
    pub(super) fn report(&self) {
        for (object, outcome) in &self.left_out {
            tracing::warn!(%object, reason = ?outcome.reason(), "left out: {outcome}");
        }
        tracing::info!(
            revision = self.document.revision,
            limits = self.document.rate_limits.len(),
            policies = self.policies.len(),
            "what is declared is in force"
        );
    }
}

/// Loads exactly one cluster with everything that refers to it.
pub(super) fn load_cluster(paths: &[PathBuf]) -> Result<Loaded, ManifestError> {
    let objects = Objects::read(paths)?;
    match objects.clusters.as_slice() {
        [cluster] => objects.fold(cluster, true),
        [] => Err(ManifestError::Together(format!(
            "there is no RateLimitCluster in {}; add one, as in examples/quickstart.yaml",
            list(paths)
        ))),
        several => Err(ManifestError::Together(format!(
            "there are {} RateLimitClusters in {}, and one process runs one; name the files of one",
            several.len(),
            list(paths)
        ))),
    }
}

/// Loads limits for a node that settings describe: those that refer to the one cluster that they
/// bring, or, where they bring none, to the one that the first of them names.
pub(super) fn load_limits(paths: &[PathBuf]) -> Result<Loaded, ManifestError> {
    let objects = Objects::read(paths)?;
    match objects.clusters.as_slice() {
        [cluster] => objects.fold(cluster, false),
        [] => {
            let mut cluster = RateLimitCluster::new("wicketgate", Default::default());
            let named = objects
                .limits
                .first()
                .map(|limit| limit.spec.cluster_ref.resolve(&ObjectName::of(&limit.metadata).namespace));
            if let Some(name) = named {
                cluster.metadata.name = Some(name.name);
                cluster.metadata.namespace = Some(name.namespace);
            }
            objects.fold(&cluster, false)
        }
        several => Err(ManifestError::Together(format!(
            "there are {} RateLimitClusters in {}, and a node belongs to one; name the files of one",
            several.len(),
            list(paths)
        ))),
    }
}

/// Validates manifests, and what they are together where they bring a cluster.
pub(super) fn check(paths: &[PathBuf]) -> Result<Summary, ManifestError> {
    let objects = Objects::read(paths)?;
    let (mut problems, mut by_labels) = (Vec::new(), 0);
    for cluster in &objects.clusters {
        let loaded = objects.fold(cluster, true)?;
        let selects = cluster.spec.allowed_namespaces.from == NamespacesFrom::Selector;
        for (object, outcome) in &loaded.left_out {
            match outcome {
                // A limit of another cluster is that one's affair, and it may well not be in these files.
                Outcome::OtherCluster { .. } => {}
                // Nor are the namespaces with their labels.
                Outcome::RefNotPermitted { .. } if selects => by_labels += 1,
                _ => problems.push(format!("{object}: {outcome}")),
            }
        }
    }
    if !problems.is_empty() {
        return Err(ManifestError::Together(problems.join("\n")));
    }
    Ok(Summary {
        clusters: objects.clusters.len(),
        limits: objects.limits.len(),
        policies: objects.policies.len(),
        by_labels,
    })
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Everything that files hold, each valid by itself.
#[derive(Default)]
struct Objects {
    clusters: Vec<RateLimitCluster>,
    limits: Vec<RateLimit>,
    policies: Vec<crds::backpressure::BackpressurePolicy>,
}

impl Objects {
    fn read(paths: &[PathBuf]) -> Result<Self, ManifestError> {
        let mut texts = Vec::new();
        for path in paths {
            collect(path, 0, &mut texts)?;
        }
        let Manifests { objects, problems } = manifest::read(texts);
        if !problems.is_empty() {
            return Err(ManifestError::Problems(problems));
        }
        let mut sorted = Self::default();
        for located in objects {
            match located.manifest {
                Manifest::RateLimitCluster(cluster) => sorted.clusters.push(*cluster),
                Manifest::RateLimit(limit) => sorted.limits.push(*limit),
                Manifest::BackpressurePolicy(policy) => sorted.policies.push(*policy),
            }
        }
        Ok(sorted)
    }

    fn fold(&self, cluster: &RateLimitCluster, own: bool) -> Result<Loaded, ManifestError> {
        let folded = fold(cluster, &self.limits, &self.policies, &NamespaceLabels::new())
            .map_err(|error| ManifestError::Together(error.to_string()))?;
        let Folded { document, limits, policies } = folded;
        let left_out =
            limits.into_iter().chain(policies).filter(|(_, outcome)| !outcome.is_accepted()).collect();
        let (policies, refused) = declared::policies(&document);
        if let Some((source, problem)) = refused.first() {
            return Err(ManifestError::Together(format!("BackpressurePolicy {source}: {problem}")));
        }
        Ok(Loaded {
            policies,
            document,
            replicas: u16::try_from(cluster.spec.replicas).unwrap_or(1).max(1),
            cluster: own.then(|| cluster.clone()),
            left_out,
        })
    }
}

/// Reads a file, or the YAML and JSON files of a folder in the order of their names.
fn collect(path: &Path, depth: usize, texts: &mut Vec<(String, String)>) -> Result<(), ManifestError> {
    let failed = |cause| ManifestError::Read { path: path.to_owned(), cause };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        let size = fs::metadata(path).map_err(failed)?.len();
        if size > manifest::MAX_FILE_BYTES as u64 {
            let why = format!("it has {size} bytes, and a manifest has at most {}", manifest::MAX_FILE_BYTES);
            return Err(failed(io::Error::other(why)));
        }
        texts.push((path.display().to_string(), fs::read_to_string(path).map_err(failed)?));
        return Ok(());
    }
    if depth >= MAX_DEPTH {
        return Err(failed(io::Error::other("folders are nested too deeply")));
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
    let mut inside: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    inside.sort();
    for path in inside {
        let named = path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml" || kind == "json");
        // A mounted ConfigMap keeps its versions in folders that begin with two dots.
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && (named || path.is_dir()) {
            collect(&path, depth + 1, texts)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cluster that lets in namespaces `from`, and a limit of another namespace.
    fn manifests(from: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "apiVersion: wicketgate.dev/v1alpha1\nkind: RateLimitCluster\n\
             metadata: {{name: shared, namespace: edge}}\nspec: {{allowedNamespaces: {from}}}\n---\n\
             apiVersion: wicketgate.dev/v1alpha1\nkind: RateLimit\n\
             metadata: {{name: checkout, namespace: shop}}\n\
             spec: {{clusterRef: {{name: shared, namespace: edge}}, limit: 5, duration: 1m}}\n"
        );
        fs::write(folder.path().join("all.yaml"), text).unwrap();
        folder
    }

    #[test]
    fn labels_of_namespaces_are_not_known_and_not_held_against_anybody() {
        let checked = |from: &str| check(&[manifests(from).path().to_owned()]);
        let by_labels = checked("{from: Selector, selector: {matchLabels: {tenant: \"yes\"}}}").unwrap();
        assert!(by_labels.to_string().contains("the namespaces of 1 have the labels"), "{by_labels}");
        assert_eq!(checked("{from: All}").unwrap().by_labels, 0);
        let error = checked("{from: Same}").expect_err("another namespace is not let in");
        assert!(error.to_string().contains("does not allow the namespace shop"), "{error}");
    }
}
