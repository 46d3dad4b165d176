//! Manifests in a folder of their own, which goes with the test.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::launch::Launch;
use tempfile::TempDir;

/// A folder with manifests.
pub(crate) struct Manifests(TempDir);

impl Manifests {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A folder with a cluster of that many nodes and more of its spec, a line each, beside the given
    /// documents.
    pub(crate) fn cluster(replicas: usize, spec: &[&str], documents: &[&str]) -> Self {
        let manifests = Self::new();
        let mut text = cluster(replicas, spec);
        for document in documents {
            text.push_str("---\n");
            text.push_str(document);
        }
        manifests.write("all.yaml", &text);
        manifests
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file as editors and Kubernetes do it: beside, and then in one step in place of the old.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        let beside = self.0.path().join(format!(".{name}.new"));
        fs::write(&beside, text).expect("a file is written");
        fs::rename(&beside, &path).expect("a file is put in place");
        path
    }

    /// A `standalone` on this folder.
    pub(crate) fn standalone(&self, replicas: usize) -> Launch {
        Launch::standalone(self.folder(), replicas)
    }
}

/// A RateLimitCluster named `main`.
pub(crate) fn cluster(replicas: usize, spec: &[&str]) -> String {
    resource("RateLimitCluster", "main", &[&[format!("replicas: {replicas}").as_str()], spec].concat())
}

/// A RateLimit of the cluster `main`, its spec given a line each.
pub(crate) fn limit(name: &str, spec: &[&str]) -> String {
    resource("RateLimit", name, &[&["clusterRef: {name: main}"], spec].concat())
}

/// Any resource, its spec given a line each.
pub(crate) fn resource(kind: &str, name: &str, spec: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: wicketgate.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: test}}\nspec:\n"
    );
    for line in spec {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    text
}
