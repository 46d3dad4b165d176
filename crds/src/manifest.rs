//! Reads files of `wicketgate.dev` objects, strictly, and names every problem with its place.
//!
//! The kinds' own schemas say what is right, so that a file that is read here without a problem is
//! one that an API server takes, and the other way round. Where an API server would drop a field
//! that it does not know, this reader calls it a problem and names the nearest known one.

use std::{collections::HashMap, fmt};

use kube::Resource;

use self::{object::Checked, split::Chunk};
use crate::{
    backpressure::BackpressurePolicy, cluster::RateLimitCluster, definition::Kind, limit::RateLimit,
    reference::ObjectName,
};

mod check;
mod nearest;
mod node;
mod object;
mod shape;
mod split;

/// The largest file that is read, in bytes. Ten thousand limits take about three million.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;
/// Most problems that are listed of a file; whoever has so many needs no more to begin.
pub const MAX_PROBLEMS: usize = 200;

/// One object of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    /// A cluster of daemons.
    RateLimitCluster(Box<RateLimitCluster>),
    /// One named limit.
    RateLimit(Box<RateLimit>),
    /// A backpressured listener.
    BackpressurePolicy(Box<BackpressurePolicy>),
}

impl Manifest {
    /// The object's kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::RateLimitCluster(_) => Kind::RateLimitCluster,
            Self::RateLimit(_) => Kind::RateLimit,
            Self::BackpressurePolicy(_) => Kind::BackpressurePolicy,
        }
    }

    /// The object's namespace (`default` if the file names none) and name.
    pub fn name(&self) -> ObjectName {
        ObjectName::of(match self {
            Self::RateLimitCluster(object) => object.meta(),
            Self::RateLimit(object) => object.meta(),
            Self::BackpressurePolicy(object) => object.meta(),
        })
    }
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file's name as the caller gave it.
    pub file: String,
    /// The document within the file, from 1; 0 where the file as a whole is meant.
    pub document: usize,
    /// The line within the file, from 1; 0 where the file as a whole is meant.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.document > 0 {
            write!(f, ": document {}, line {}", self.document, self.line)?;
        }
        Ok(())
    }
}

/// An object and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The object, with the schema's defaults in place.
    pub manifest: Manifest,
    /// Where it begins.
    pub place: Place,
}

/// Something that is wrong in a file.
///
/// Displays as `limits.yaml: document 2, line 7: spec.limit: expected an integer, got "abc"`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {}{}{message}", .path, if .path.is_empty() { "" } else { ": " })]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// The field, such as `spec.overrides[0].limit`; empty where the document as a whole is meant.
    pub path: String,
    /// What is wrong, and the way out.
    pub message: String,
}

/// What some files contain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    /// The objects without a problem, in the order of the files.
    pub objects: Vec<Located>,
    /// All that is wrong, in the same order.
    pub problems: Vec<Problem>,
}

/// Reads files, given by name and text. Never stops at the first problem.
///
/// All files are read together, since no two objects of one kind may have the same namespace and
/// name, wherever they stand.
pub fn read<N, T>(files: impl IntoIterator<Item = (N, T)>) -> Manifests
where
    N: AsRef<str>,
    T: AsRef<str>,
{
    let mut manifests = Manifests::default();
    let mut seen = HashMap::new();
    for (file, text) in files {
        read_file(file.as_ref(), text.as_ref(), &mut seen, &mut manifests);
    }
    manifests
}

fn read_file(
    file: &str,
    text: &str,
    seen: &mut HashMap<(Kind, ObjectName), Place>,
    manifests: &mut Manifests,
) {
    if text.len() > MAX_FILE_BYTES {
        manifests.problems.push(Problem {
            place: Place { file: file.to_owned(), document: 0, line: 0 },
            path: String::new(),
            message: format!(
                "{} bytes are more than the {MAX_FILE_BYTES} that a file may have: split it",
                text.len()
            ),
        });
        return;
    }
    let before = manifests.problems.len();
    for chunk in split::documents(text) {
        let Checked { manifest, problems } = object::read(&chunk);
        let place = |line| Place { file: file.to_owned(), document: chunk.number, line };
        manifests.problems.extend(problems.into_iter().map(|found| Problem {
            place: place(found.line),
            path: found.path,
            message: found.message,
        }));
        if let Some((manifest, line)) = manifest {
            admit(Located { manifest, place: place(line) }, seen, manifests);
        }
        if manifests.problems.len() - before >= MAX_PROBLEMS {
            manifests.problems.truncate(before + MAX_PROBLEMS);
            manifests.problems.push(Problem {
                place: place(chunk.first_line),
                path: String::new(),
                message: format!("more than {MAX_PROBLEMS} problems; the rest of the file is not read"),
            });
            return;
        }
    }
}

/// Keeps an object, unless another has its kind, namespace and name.
fn admit(located: Located, seen: &mut HashMap<(Kind, ObjectName), Place>, manifests: &mut Manifests) {
    let (kind, name) = (located.manifest.kind(), located.manifest.name());
    if let Some(first) = seen.get(&(kind, name.clone())) {
        manifests.problems.push(Problem {
            message: format!("{} {name} is already declared at {first}", kind.as_str()),
            path: "metadata.name".to_owned(),
            place: located.place,
        });
        return;
    }
    seen.insert((kind, name), located.place.clone());
    manifests.objects.push(located);
}

/// A problem within a document.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    line: u64,
    path: String,
    message: String,
}

impl Found {
    fn whole(chunk: &Chunk<'_>, line: u64, message: String) -> Self {
        Self { line: line.max(chunk.first_line), path: String::new(), message }
    }
}

#[cfg(test)]
mod tests;
