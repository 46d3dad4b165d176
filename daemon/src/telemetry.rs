//! Logs: text or JSON lines on stderr, at a level that can be changed while the process runs.
//!
//! Info is for the life of the process (started, reloaded, draining). What concerns one request is
//! said at debug or below, never at info, or the log would grow with the traffic; [`Sparse`] lets one of
//! many through.

mod sparse;

use std::{fmt, io, str::FromStr};

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt as lines,
    layer::SubscriberExt as _,
    reload,
    util::{SubscriberInitExt as _, TryInitError},
};

pub use self::sparse::Sparse;

/// The beginning of every target of ours: `wicketgated`, `wicketgate_daemon`, `wicketgate_engine`.
const OURS: &str = "wicketgate";
/// Here the client of the API server shows whole answers that it cannot read, and there are Secrets among
/// what it reads.
const ANSWERS: &str = "kube_client::client";
/// What lies below that speaks of no answer.
const BELOW_ANSWERS: &str = "kube_client::client::";

/// How much is logged; each level holds those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What went wrong and needs a person.
    Error,
    /// What is odd.
    Warn,
    /// The life of the process.
    #[default]
    Info,
    /// Single requests.
    Debug,
    /// Every step.
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// A word that names no level or format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{word:?} is not known; allowed: {allowed}")]
pub struct UnknownWord {
    word: String,
    allowed: &'static str,
}

/// Why logging cannot begin or its level cannot change.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The process logs already; that is possible once.
    #[error("failed to start logging: {0}")]
    Init(#[from] TryInitError),
    /// The level's holder is gone.
    #[error("failed to change the log level: {0}")]
    Reload(#[from] reload::Error),
}

/// Changes the level of a running process. Clones change the same one.
#[derive(Clone, Debug)]
pub struct Telemetry {
    filter: reload::Handle<Targets, Registry>,
}

impl FromStr for Level {
    type Err = UnknownWord;

    /// Takes our names and logrus's, in any case.
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word.to_ascii_lowercase().as_str() {
            "panic" | "fatal" | "error" => Self::Error,
            "warn" | "warning" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => {
                return Err(UnknownWord {
                    word: word.to_owned(),
                    allowed: "error, warn, info, debug, trace",
                });
            }
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

impl FromStr for Format {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownWord { word: word.to_owned(), allowed: "text, json" }),
        }
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

impl Telemetry {
    /// Starts logging to stderr, for the whole process.
    ///
    /// # Errors
    /// Where the process logs already.
    pub fn start(level: Level, format: Format) -> Result<Self, TelemetryError> {
        let (filter, handle) = reload::Layer::new(targets(level));
        Registry::default().with(layer(format, io::stderr).with_filter(filter)).try_init()?;
        Ok(Self { filter: handle })
    }

    /// Logs at another level from now on.
    ///
    /// # Errors
    /// Where logging has ended.
    pub fn set_level(&self, level: Level) -> Result<(), TelemetryError> {
        Ok(self.filter.reload(targets(level))?)
    }
}

/// Our own targets at the level asked for, the libraries below us one step quieter and never above
/// warn until debug is asked for: HTTP/2 frames drown everything else. Answers of the API server are not shown
/// at any level.
fn targets(level: Level) -> Targets {
    let libraries = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn | Level::Info => LevelFilter::WARN,
        Level::Debug => LevelFilter::INFO,
        Level::Trace => LevelFilter::DEBUG,
    };
    // It warns of each refusal anew; our own watch says it once.
    let watcher = if level >= Level::Debug { libraries } else { LevelFilter::ERROR };
    Targets::new()
        .with_default(libraries)
        .with_target(ANSWERS, LevelFilter::OFF)
        .with_target(BELOW_ANSWERS, libraries)
        .with_target("kube_runtime::watcher", watcher)
        .with_target(OURS, LevelFilter::from(level))
}

fn layer<W>(format: Format, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> lines::MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = lines::layer().with_writer(writer).with_target(true);
    match format {
        Format::Text => layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Gathers what is logged.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().map_err(|_| io::ErrorKind::Other)?.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_lines_follow_the_level_while_running() {
        let sink = Sink::default();
        let writer = sink.clone();
        let (filter, handle) = reload::Layer::new(targets(Level::Info));
        let telemetry = Telemetry { filter: handle };
        let subscriber =
            Registry::default().with(layer(Format::Json, move || writer.clone()).with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "wicketgate_daemon", "one");
            tracing::info!(target: "wicketgate_daemon", peer = "a:1", "two");
            tracing::info!(target: "h2::proto", "three");
            telemetry.set_level(Level::Debug).expect("the subscriber lives");
            tracing::debug!(target: "wicketgated", "four");
        });
        let text = String::from_utf8(sink.0.lock().expect("no panic while locked").clone()).expect("UTF-8");
        let messages: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let said: Vec<_> = messages.iter().map(|line| line["message"].as_str().unwrap_or("")).collect();
        assert_eq!(said, ["two", "four"]);
        assert_eq!(messages[0]["peer"], "a:1");
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_shown_at_any_level() {
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            let targets = targets(level);
            for told in [tracing::Level::ERROR, tracing::Level::WARN, tracing::Level::TRACE] {
                assert!(!targets.would_enable("kube_client::client", &told), "{level:?} {told}");
            }
            let roots = targets.would_enable("kube_client::client::tls", &tracing::Level::WARN);
            assert_eq!(roots, level > Level::Error, "{level:?}");
        }
    }

    #[test]
    fn logrus_names_are_levels() {
        for (word, level) in [("panic", Level::Error), ("WARNING", Level::Warn), ("trace", Level::Trace)] {
            assert_eq!(word.parse(), Ok(level));
        }
        let error = "loud".parse::<Level>().expect_err("no level");
        assert_eq!(error.to_string(), "\"loud\" is not known; allowed: error, warn, info, debug, trace");
    }
}
