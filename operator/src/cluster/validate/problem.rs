//! What is wrong with a cluster, in words that a person can act on.

use std::fmt;

/// One thing that is wrong, or worth telling: the field, its value, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `spec.tls.clients.mode`.
    pub field: String,
    /// What stands there, as one would write it; shortened. Empty: nothing does.
    pub value: String,
    /// What is wrong with it, and what to write instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, remedy } = self;
        match value.as_str() {
            "" => write!(f, "{field} is missing: {remedy}"),
            value => write!(f, "{field} is {value}: {remedy}"),
        }
    }
}

/// Why a cluster cannot be built: all of it, at least one problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// What is wrong, in the order in which it was found; the first of them, where there are many.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

/// Most problems that are kept and told at once: a condition's message has 32 KiB and a person less
/// patience, and an overlay has room for a hundred thousand typing errors.
const MAX_TOLD: usize = 16;
/// Most characters of a field or value that are told.
const MAX_SHOWN: usize = 120;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        if self.more > 0 {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}

/// Gathers what is found while a cluster is checked.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Findings {
    pub(super) problems: Vec<Problem>,
    more: usize,
    pub(super) warnings: Vec<Problem>,
}

impl Findings {
    /// The cluster cannot be built with this.
    pub(in crate::cluster) fn refuse(
        &mut self,
        field: impl AsRef<str>,
        value: impl fmt::Display,
        remedy: impl fmt::Display,
    ) {
        if self.problems.len() < MAX_TOLD {
            self.problems.push(problem(field.as_ref(), &value, &remedy));
        } else {
            self.more += 1;
        }
    }

    /// The cluster can be built, and yet.
    pub(in crate::cluster) fn warn(
        &mut self,
        field: impl AsRef<str>,
        value: impl fmt::Display,
        remedy: impl fmt::Display,
    ) {
        self.warnings.push(problem(field.as_ref(), &value, &remedy));
    }

    pub(super) fn into_invalid(self) -> Invalid {
        Invalid { problems: self.problems, more: self.more }
    }
}

fn problem(field: &str, value: &dyn fmt::Display, remedy: &dyn fmt::Display) -> Problem {
    Problem { field: shortened(field), value: shortened(&value.to_string()), remedy: remedy.to_string() }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_field_value_and_way_out() {
        let mut findings = Findings::default();
        findings.refuse("spec.replicas", -1, "at least 0");
        findings.refuse("metadata.uid", "", "store it first");
        assert_eq!(
            findings.into_invalid().to_string(),
            "spec.replicas is -1: at least 0; metadata.uid is missing: store it first"
        );
    }

    #[test]
    fn many_long_problems_are_one_short_message() {
        let mut findings = Findings::default();
        for _ in 0..1_000 {
            findings.refuse("ä".repeat(5_000), "x".repeat(5_000), "no");
        }
        let told = findings.into_invalid().to_string();
        assert!(told.len() < 16 * 400 && told.ends_with("; and 984 more"), "{} {told}", told.len());
    }
}
