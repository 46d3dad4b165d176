//! The command line: what may be written on it, and nothing of what is then done.

mod exit;

use std::{ffi::OsString, io, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum, error::ErrorKind};

pub use self::exit::Exit;
use crate::{
    settings::{Address, parse_duration},
    telemetry::{Format, Level},
};

const ABOUT: &str = "A distributed rate limiter; clients written for Gubernator work unchanged";

const AFTER_HELP: &str = "\
Examples:
  wicketgated standalone -f examples/quickstart.yaml   run a cluster from manifests, in one process
  wicketgated check -f examples/                       validate manifests, list every problem
  wicketgated proxy --config-file throttle.yaml        a proxy, as throttle-proxy is started
  wicketgated serve --config /etc/wicketgate.conf      one node, told by its settings
  wicketgated --config gubernator.conf                 the same, as Gubernator is started
  wicketgated health                                   is the node on this machine healthy?
  wicketgated hit checkout account:12345               take one hit of a declared limit
  wicketgated load --duration 10s                      measure the node on this machine

Settings: docs/configuration.md lists every variable. The environment wins over the file.

Exit codes:
  0   done          1   hit: refused                2   health: unhealthy
  3   load: calls or items failed
  64  wrong command line or setting                 65  bad manifest
  69  nobody answers, port taken                    70  a fault of ours";

/// What was written on the command line.
#[derive(Clone, Debug, Parser)]
#[command(name = "wicketgated", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 110)]
struct CommandLine {
    #[command(flatten)]
    serve: Serve,
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do, and how to log while doing it.
#[derive(Clone, Debug)]
pub struct Args {
    /// Which command with its own arguments; `serve` where none was named.
    pub command: Command,
    /// What counts for every command.
    pub logging: Logging,
}

/// How to log; what is not given here comes from the settings.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Logging {
    /// Least level to log: error, warn, info, debug or trace [default: GUBER_LOG_LEVEL, else info]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Logging")]
    pub log_level: Option<Level>,
    /// How log lines look: text or json [default: GUBER_LOG_FORMAT, else text]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Logging")]
    pub log_format: Option<Format>,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run one node, told by GUBER_* and WICKETGATE_* settings (this is what happens without a command)
    Serve(Serve),
    /// Run the cluster that manifests declare, all its nodes in this process
    Standalone(Standalone),
    /// Validate manifests and list every problem
    Check(Check),
    /// Run the proxy that a configuration file of throttle-proxy describes
    Proxy(Proxy),
    /// Ask a running node whether it is healthy
    Health(Health),
    /// Take a hit of a limit and print the answer
    Hit(Hit),
    /// Send a bounded load and print throughput and latency
    Load(Load),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// Arguments of `serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Serve {
    /// File of `KEY = value` lines; the environment wins over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log at debug
    #[arg(long)]
    pub debug: bool,
}

/// Arguments of `standalone`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wicketgated standalone -f examples/quickstart.yaml
  wicketgated standalone -f cluster.yaml -f limits/ --grpc-address 127.0.0.1:2051

Each further node listens two ports above the one before: 1050 and 1051, 1052 and 1053, … A BackpressurePolicy's port \
is served once, for all nodes, on the host of --http-address. A file that changes is read again; where it is then
invalid, the log says why and the old configuration stays in force.")]
pub struct Standalone {
    /// Manifest, or folder of manifests; may be given several times
    #[arg(short, long = "file", value_name = "PATH", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// Where the first node serves gRPC
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:1051")]
    pub grpc_address: Address,
    /// Where the first node serves HTTP
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:1050")]
    pub http_address: Address,
    /// Folder with the secrets that policies name, as NAMESPACE/NAME/KEY
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Do not read files again when they change
    #[arg(long)]
    pub no_watch: bool,
}

/// Arguments of `check`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Example:
  wicketgated check -f examples/

Exit code 0 where everything is valid, 65 where something is not.")]
pub struct Check {
    /// Manifest, or folder of manifests; may be given several times
    #[arg(short, long = "file", value_name = "PATH", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
}

/// Arguments of `proxy`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wicketgated proxy --config-file throttle-proxy.yaml
  wicketgated proxy -config-file throttle-proxy.yaml --signal-interval 1s

A file that starts throttle-proxy starts this: the same paths, bodies, metrics and internal listener. A smallest one:

  upstream: http://localhost:9090
  insecure_listen_addr: :7777           traffic comes in here; empty for a free port on every interface
  internal_listen_addr: 127.0.0.1:7776  /metrics is served here; empty for nowhere
  proxy_paths: [/api/v1/query]          what the window protects; all else passes through
  proxymw_config:
    enable_observer: true
    backpressure_config:
      enable_backpressure: true
      backpressure_monitoring_url: http://localhost:9090
      backpressure_queries:
        - {name: load, query: sum(rate(http_requests_total[1m])), warning_threshold: 50, emergency_threshold: 200}
      congestion_window_min: 1
      congestion_window_max: 100

docs/differences.md says what is otherwise than there. Exit code 0 after a signal to stop, 64 where the file cannot
be run, 69 where a port is taken.")]
pub struct Proxy {
    /// Configuration file, as throttle-proxy's -config-file
    #[arg(long, value_name = "PATH")]
    pub config_file: PathBuf,
    /// How often Prometheus is asked, from 100ms to 1h; first at the start [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_signal_interval)]
    pub signal_interval: Option<Duration>,
}

/// Arguments of `health`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wicketgated health
  wicketgated health http://localhost:1050

Asks again GUBER_HTTP_RETRY_COUNT times, 500 ms apart. Exit code 0 where the node is healthy, 2 where it says \
that it is not, 69 where it does not answer.")]
pub struct Health {
    /// Where the node serves HTTP [default: GUBER_HTTP_ADDRESS, else http://localhost:1050]
    #[arg(value_name = "URL")]
    pub url: Option<String>,
}

/// Arguments of `hit`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wicketgated hit checkout account:12345
  wicketgated hit checkout account:12345 --hits 0           look without taking
  wicketgated hit adhoc me --limit 10 --duration 1m         a limit that nobody declared

Exit code 0 where the hit is admitted, 1 where it is refused, 64 where the request is wrong, 69 where nobody
answers.")]
pub struct Hit {
    /// Name of the limit
    pub name: String,
    /// Who is counted under that name
    pub unique_key: String,
    /// Hits to take; 0 looks, negative gives back
    #[arg(long, value_name = "COUNT", default_value = "1", allow_negative_numbers = true)]
    pub hits: i64,
    /// Limit, for a name that nobody declared
    #[arg(long, value_name = "HITS", default_value = "0", value_parser = clap::value_parser!(i64).range(0..))]
    pub limit: i64,
    /// Duration, for a name that nobody declared
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Where gRPC is served
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:1051")]
    pub address: Address,
}

/// Arguments of `load`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wicketgated load                                     ten seconds, one item a call
  wicketgated load --items 1000 --connections 4 --concurrency 2
  wicketgated load --calls 100000 --json
  wicketgated load --address main.edge.svc:1051 --allow-remote-target --wait 30s --rate 200 --reconnect-every 50

A closed loop: each of CONNECTIONS x CONCURRENCY callers sends its next call when the last one is answered. \
It spends real hits, on the keys `account:0`, `account:1` … of the name it is given. \
A call that a connection did not take, since the server had asked to end it, is sent again, as any gRPC client does. \
Ctrl-C or SIGTERM ends it early and prints what there is.

Exit code 0 where every call and item got its answer, 3 where one failed, 69 where nobody answers at the start.")]
pub struct Load {
    /// Where gRPC is served
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:1051")]
    pub address: Address,
    /// How long to send, at most 1h [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = parse_load_duration, conflicts_with = "calls")]
    pub duration: Option<Duration>,
    /// How many calls to send instead
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub calls: Option<u64>,
    /// Connections
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = parse_bounded::<1_000>)]
    pub connections: NonZeroUsize,
    /// Callers on each connection
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = parse_bounded::<10_000>)]
    pub concurrency: NonZeroUsize,
    /// Calls a second, over all callers, at most [default: as many as are answered]
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Connect anew after so many calls of a connection, so that new pods of a Service get their share
    #[arg(long, value_name = "CALLS", value_parser = parse_bounded::<1_000_000_000>)]
    pub reconnect_every: Option<NonZeroUsize>,
    /// How long to try to connect at the start, at most 1h [default: once]
    #[arg(long, value_name = "DURATION", value_parser = parse_load_duration)]
    pub wait: Option<Duration>,
    /// Items in each call
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = parse_bounded::<1_000>)]
    pub items: NonZeroUsize,
    /// Keys to spread the items over
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = parse_bounded::<100_000_000>)]
    pub keys: NonZeroUsize,
    /// Name of the limit
    #[arg(long, default_value = "wicketgate_load")]
    pub name: String,
    /// Algorithm that the requests carry: token-bucket or leaky-bucket
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = LoadAlgorithm::TokenBucket)]
    pub algorithm: LoadAlgorithm,
    /// Limit that the requests carry; 0 with --window 0s leaves both to what is declared for the name
    #[arg(long, value_name = "HITS", default_value = "100", value_parser = clap::value_parser!(i64).range(0..))]
    pub limit: i64,
    /// Duration that the requests carry
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    pub window: Duration,
    /// How long one call may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_load_duration)]
    pub timeout: Duration,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Send to an address that is not on this machine; ask whoever runs it first
    #[arg(long)]
    pub allow_remote_target: bool,
}

/// Arguments of `completions`.
#[derive(Clone, Debug, clap::Args)]
pub struct Completions {
    /// Shell to write for
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// The algorithms that `load` can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LoadAlgorithm {
    /// Fills at once when its time is over.
    TokenBucket,
    /// Fills all the time.
    LeakyBucket,
}

impl Args {
    /// Parses a command line, the program's name first.
    ///
    /// # Errors
    /// Where it is wrong, or asks for help or the version; `clap::Error::print` shows it and
    /// [`exit_of`] says how to end.
    pub fn try_parse_from(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words =
            words.into_iter().enumerate().map(|(index, word)| if index == 0 { word } else { go_flag(word) });
        let mut command = command();
        let matches = command.try_get_matches_from_mut(words)?;
        let CommandLine { serve, logging, command: chosen } = CommandLine::from_arg_matches(&matches)?;
        let command = match chosen {
            None => Command::Serve(serve),
            Some(Command::Serve(named)) => Command::Serve(Serve {
                config: named.config.or(serve.config),
                debug: named.debug || serve.debug,
            }),
            Some(_) if serve.config.is_some() || serve.debug => {
                return Err(command.error(
                    ErrorKind::ArgumentConflict,
                    "--config and --debug belong to `serve` and cannot stand before another command",
                ));
            }
            Some(other) => other,
        };
        Ok(Self { command, logging })
    }
}

/// Our exit for what clap reports: help and version are no mistakes.
#[must_use]
pub fn exit_of(error: &clap::Error) -> Exit {
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

/// Writes a completion script.
pub fn write_completions(arguments: &Completions, out: &mut dyn io::Write) {
    clap_complete::generate(arguments.shell, &mut command(), "wicketgated", out);
}

fn command() -> clap::Command {
    CommandLine::command()
}

/// Go takes `-config` for `--config`, and so do the manifests that start the originals.
fn go_flag(word: OsString) -> OsString {
    const NAMES: [&str; 3] = ["-config", "-config-file", "-debug"];
    match word.to_str() {
        Some(text) if NAMES.contains(&text.split_once('=').map_or(text, |(name, _)| name)) => {
            OsString::from(format!("-{text}"))
        }
        _ => word,
    }
}

fn parse_signal_interval(text: &str) -> Result<Duration, String> {
    const ALLOWED: std::ops::RangeInclusive<Duration> =
        Duration::from_millis(100)..=Duration::from_secs(3_600);
    let duration = parse_duration(text).map_err(|why| why.to_string())?;
    if ALLOWED.contains(&duration) {
        return Ok(duration);
    }
    Err("is out of bounds; allowed: from 100ms to 1h".to_owned())
}

fn parse_load_duration(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(3_600);
    let duration = parse_duration(text).map_err(|why| why.to_string())?;
    if duration.is_zero() || duration > MAX {
        return Err("is out of bounds; allowed: more than 0s, at most 1h".to_owned());
    }
    Ok(duration)
}

fn parse_bounded<const MAX: usize>(text: &str) -> Result<NonZeroUsize, String> {
    let count: Option<NonZeroUsize> = text.parse().ok().filter(|count: &NonZeroUsize| count.get() <= MAX);
    count.ok_or_else(|| format!("allowed: a whole number from 1 to {MAX}"))
}

#[cfg(test)]
mod tests;
