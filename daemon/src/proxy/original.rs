//! A configuration file of throttle-proxy's, made into a [`Policy`]: the same paths, bodies, metrics and
//! internal listener. docs/differences.md says what is otherwise.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::policy::Policy;
use crate::settings::Address;

pub use self::validate::Problem;

pub mod config;
pub mod internal;
pub mod mux;
mod validate;

/// How often Prometheus is asked where nothing else is said.
pub const SIGNAL_INTERVAL: Duration = Duration::from_secs(30);

/// All that a file says, checked.
#[derive(Clone, Debug)]
pub struct Original {
    /// What the proxy runs. Its source is `throttle-proxy/` and the file's name; metrics in this mode
    /// carry neither policy nor route.
    pub policy: Policy,
    /// Where traffic comes in; an empty host is every interface, port 0 a free one.
    pub listen: Address,
    /// Where the internal API is served; none for nowhere.
    pub internal: Option<Address>,
    /// Whether there is a window. Without, the policy's is as wide as a window can be and never moves,
    /// and metrics of the window stay at 0.
    pub backpressure: bool,
    /// Whether requests, errors, refusals and latencies are counted.
    pub observed: bool,
    /// How long reading a request may take; none for no bound.
    pub read_timeout: Option<Duration>,
    /// How long answering one may take, passed through or not; none for no bound.
    pub write_timeout: Option<Duration>,
    /// What is odd about the file; it belongs into the log at `warn`.
    pub warnings: Vec<String>,
}

/// Why a file cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("error opening config file: open {path}: {cause}")]
    Open {
        /// As given on the command line.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
    /// It is not the YAML that it should be.
    #[error("error decoding YAML: {0}")]
    Decode(String),
    /// It says what cannot be: all of it, one a line.
    #[error("{}", lines(.0, .1))]
    Invalid(Vec<Problem>, Vec<String>),
}

/// The problems in the original's words, then where they are, then what is merely odd, since a misspelt
/// key is often the reason.
fn lines(problems: &[Problem], warnings: &[String]) -> String {
    let texts = problems.iter().map(ToString::to_string);
    let notes = problems.iter().filter_map(|problem| Some(format!("note: {}", problem.note.as_ref()?)));
    let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
    texts.chain(notes).chain(warnings).collect::<Vec<_>>().join("\n")
}

/// Reads a file and checks all that it says. Prometheus is asked every `signal_interval`, where it is
/// given.
///
/// # Errors
/// [`LoadError`], with every problem at once where the file could be read.
pub fn load(path: &Path, signal_interval: Option<Duration>) -> Result<Original, LoadError> {
    let (file, warnings) = config::read(path)?;
    let name = path.file_stem().map_or_else(|| "config".into(), |stem| stem.to_string_lossy());
    validate::original(&name, &file, signal_interval.unwrap_or(SIGNAL_INTERVAL), warnings)
}
