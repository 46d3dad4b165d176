//! What can be wrong with the settings, in words that lead the way out.

use std::{fmt, io};

use thiserror::Error;

use super::source::Origin;

/// One thing that keeps the daemon from starting.
#[derive(Debug, Error)]
pub enum Problem {
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {path}: {source}; give --config a readable text file")]
    Unreadable {
        /// As given on the command line.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A line of the configuration file is no `KEY = value`.
    #[error("{origin}: malformed line; write KEY = value, or begin the line with # to leave it out")]
    Malformed {
        /// File and line.
        origin: Origin,
    },
    /// A value that is not allowed.
    #[error("{name} is {value:?} ({origin}), which {why}; allowed: {allowed}")]
    Value {
        /// The variable.
        name: &'static str,
        /// As written.
        value: String,
        /// Where it was written.
        origin: Origin,
        /// Completes "which …".
        why: String,
        /// What to write instead.
        allowed: String,
    },
    /// A value that is no UTF-8 text.
    #[error("{name} ({origin}) is not UTF-8 text; allowed: {allowed}")]
    NotText {
        /// The variable.
        name: &'static str,
        /// Where it was found.
        origin: Origin,
        /// What to write instead.
        allowed: String,
    },
    /// Settings that contradict each other, or one that lacks another.
    #[error("{0}")]
    Together(String),
    /// TLS was asked for, which this version does not speak.
    #[error(
        "{name} ({origin}) asks for TLS, which this version does not serve; it will not start and serve plaintext \
         instead. Unset every GUBER_TLS_* variable and end TLS in front of the daemon"
    )]
    Tls {
        /// The variable.
        name: &'static str,
        /// Where it was found.
        origin: Origin,
    },
}

/// Every problem of the settings at once, one a line, so that they can be mended in one go. What is
/// merely odd follows, since a misspelt name is often the reason.
#[derive(Debug, Error)]
pub struct Problems {
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Problems {
    pub(super) const fn new(problems: Vec<Problem>, warnings: Vec<Warning>) -> Self {
        Self { problems, warnings }
    }

    /// Each problem.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem], Vec::new())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = self.problems.iter().map(ToString::to_string);
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        formatter.write_str(&problems.chain(warnings).collect::<Vec<_>>().join("\n"))
    }
}

/// Something odd with which the daemon starts all the same; it belongs into the log at `warn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub(super) String);

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
