//! Logs: JSON lines or text on stderr.
//!
//! Info is for what a person would want to know afterwards: who leads, what changed, what is wrong. A
//! single request or report is said at debug.

use std::{fmt, io};

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt as lines,
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};

/// The beginning of every target of ours.
const OURS: &str = "wicketgate";
/// The client says each request that fails at error, and so do we, with what it means.
const CLIENT: &str = "kube_client::client::builder";
/// Here it shows whole answers that it cannot read, and there are Secrets among what it reads.
const ANSWERS: &str = "kube_client::client";
/// What lies below that speaks of no answer.
const BELOW_ANSWERS: &str = "kube_client::client::";

/// How much is logged; each level holds those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    /// What went wrong and needs a person.
    Error,
    /// What is odd.
    Warn,
    /// The life of the process, and what changed.
    #[default]
    Info,
    /// Single requests and reports.
    Debug,
    /// Every step.
    Trace,
}

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line, for machines.
    #[default]
    Json,
    /// For people.
    Text,
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

/// Logs to stderr from now on, for the whole process.
///
/// # Errors
/// Where the process logs already.
pub fn start(level: Level, format: Format) -> Result<(), TryInitError> {
    Registry::default().with(layer(format, io::stderr).with_filter(targets(level))).try_init()
}

/// Our own targets at the level asked for; libraries at warn, and one step quieter than ours from
/// debug on. Answers of the API server are not shown at any level.
fn targets(level: Level) -> Targets {
    let (libraries, client) = match level {
        Level::Error => (LevelFilter::ERROR, LevelFilter::OFF),
        Level::Warn | Level::Info => (LevelFilter::WARN, LevelFilter::OFF),
        Level::Debug => (LevelFilter::INFO, LevelFilter::INFO),
        Level::Trace => (LevelFilter::DEBUG, LevelFilter::DEBUG),
    };
    Targets::new()
        .with_default(libraries)
        .with_target(ANSWERS, LevelFilter::OFF)
        .with_target(BELOW_ANSWERS, libraries)
        .with_target(CLIENT, client)
        .with_target(OURS, LevelFilter::from(level))
}

fn layer<W>(format: Format, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> lines::MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = lines::layer().with_writer(writer).with_target(true);
    match format {
        Format::Text => layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        // The innermost span says enough; the list of all of them would repeat it.
        Format::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
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

    fn logged(level: Level, format: Format) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber =
            Registry::default().with(layer(format, move || writer.clone()).with_filter(targets(level)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "wicketgate_operator::lease", holder = "operator-1", "one");
            tracing::debug!(target: "wicketgate_operator", "two");
            tracing::error!(target: "kube_client::client::builder", "three");
            tracing::warn!(target: "kube_runtime::watcher", "four");
            tracing::info!(target: "hyper_util::client", "five");
            tracing::warn!(target: "kube_client::client", "{{\"data\": \"hunter2\"}}, invalid type");
            tracing::warn!(target: "kube_client::client::tls", "stale roots");
        });
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_have_the_fields_and_libraries_are_quiet() {
        let text = logged(Level::Info, Format::Json);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let said: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(said, ["one", "four", "stale roots"]);
        assert_eq!(lines[0]["holder"], "operator-1");
        assert_eq!(lines[0]["level"], "INFO");
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_shown_at_any_level() {
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            let text = logged(level, Format::Json);
            assert!(!text.contains("hunter2"), "{level}: {text}");
            assert_eq!(text.contains("stale roots"), level > Level::Error, "{level}: {text}");
        }
    }

    #[test]
    fn text_follows_the_level() {
        let text = logged(Level::Debug, Format::Text);
        for said in ["one", "two", "three", "four", "five"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert_eq!(logged(Level::Error, Format::Text), "");
    }
}
