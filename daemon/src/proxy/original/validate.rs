//! What a file may say, with throttle-proxy's own texts where something cannot be. What it would only
//! have tripped over later (a negative delay, thresholds that are no numbers, a path given twice) is
//! refused here too.

use std::fmt;
use std::time::Duration;

use crds::reference::ObjectName;
use engine::block::BlockRules;
use engine::jitter::{Jitter, parse_go_duration};
use http::HeaderName;

use super::config::File;
use super::mux::Mux;
use super::{LoadError, Original};
use crate::proxy::policy::declared::url_target;
use crate::proxy::policy::{
    Balance, Listener, Policy, Protocol, SignalPlan, Target, Timeouts, Upstream, Voice,
};
use crate::proxy::route::Routes;
use crate::proxy::url::{ServerUrl, UrlError};
use crate::settings::Address;

mod backpressure;

/// Go's transport knows no bound; this is one that nobody meets.
const MAX_CONNECTIONS: usize = 1 << 16;
/// As Go's transport has them.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// The longest wait that a request may offer; the original knows no bound.
const MAX_CAN_WAIT: Duration = Duration::from_secs(30);
/// How far back a PromQL query may look and still be cheap, in milliseconds.
const PROMQL_HORIZON: i64 = 2 * 60 * 60 * 1_000;

/// Something that keeps the proxy from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// In the original's words, where it has any.
    text: String,
    /// The key, its value and the way out, where the text does not say so.
    pub note: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Problem {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), note: None }
    }

    /// Of the paths.
    pub(super) fn routes(text: impl fmt::Display) -> Self {
        Self::new(format!("failed to create proxymw Routes: {text}"))
    }

    fn with_note(text: impl Into<String>, note: impl Into<String>) -> Self {
        Self { text: text.into(), note: Some(note.into()) }
    }
}

/// Collects problems instead of ending at the first.
#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
    fn take<T>(&mut self, checked: Result<T, Problem>) -> Option<T> {
        checked.map_err(|problem| self.0.push(problem)).ok()
    }
}

/// What the chain is to do, checked.
struct Chain {
    window: backpressure::Plan,
    block: BlockRules,
    jitter: Jitter,
}

pub(super) fn original(
    name: &str,
    file: &File,
    interval: Duration,
    mut warnings: Vec<String>,
) -> Result<Original, LoadError> {
    let mut found = Found::default();
    let target = found.take(upstream(&file.upstream));
    let listen = found.take(listen("insecure_listen_addr", &file.insecure_listen_addr));
    let internal = match file.internal_listen_addr.as_str() {
        "" => Some(None),
        text => found.take(self::listen("internal_listen_addr", text)).map(Some),
    };
    let timeouts = timeouts(file, &mut found);
    let chain = chain(file, interval, &mut found, &mut warnings);
    let mux = Mux::new(&file.proxy_paths, &file.passthrough_paths)
        .map_err(|problems| found.0.extend(problems))
        .ok();
    match (target, listen, internal, timeouts, chain, mux) {
        (Some(target), Some(listen), Some(internal), Some(timeouts), Some(chain), Some(mux))
            if found.0.is_empty() =>
        {
            if file.proxy_paths.is_empty() {
                warnings.push("proxy_paths is empty: nothing goes through the chain".to_owned());
            }
            Ok(assemble(name, file, Checked { target, listen, internal, timeouts, chain, mux }, warnings))
        }
        _ => Err(LoadError::Invalid(found.0, warnings)),
    }
}

struct Checked {
    target: Target,
    listen: Address,
    internal: Option<Address>,
    timeouts: Times,
    chain: Chain,
    mux: Mux,
}

fn assemble(name: &str, file: &File, checked: Checked, warnings: Vec<String>) -> Original {
    let Checked { target, listen, internal, timeouts, chain, mux } = checked;
    let config = &file.proxymw_config;
    let bp = &config.backpressure_config;
    let policy = Policy {
        source: ObjectName { namespace: "throttle-proxy".to_owned(), name: name.to_owned() },
        listener: Listener { host: Some(listen.host().to_owned()), port: listen.port(), tls: None },
        upstream: Upstream {
            target,
            balance: Balance::RoundRobin,
            protocol: Protocol::Auto,
            max_connections: MAX_CONNECTIONS,
            connect_timeout: Some(CONNECT_TIMEOUT),
            idle_timeout: Some(UPSTREAM_IDLE_TIMEOUT),
        },
        windows: vec![chain.window.window],
        routes: Routes::of_patterns(mux),
        signals: chain.window.signals,
        limits: Vec::new(),
        criticality: config.enable_criticality.then_some(HeaderName::from_static("x-request-criticality")),
        jitter: chain.jitter,
        block: chain.block,
        promql_horizon: (bp.enable_backpressure && bp.enable_low_cost_bypass).then_some(PROMQL_HORIZON),
        timeouts: Timeouts {
            request: [timeouts.client, timeouts.write].into_iter().flatten().min(),
            pass_through: timeouts.write,
            // Go's server lets a connection be idle as long as reading may take.
            idle: timeouts.read,
            // There, reading and writing have times of their own.
            stall: None,
        },
        max_body: None,
        voice: Voice::Original,
    };
    Original {
        policy,
        listen,
        internal,
        backpressure: bp.enable_backpressure,
        observed: config.enable_observer,
        read_timeout: timeouts.read,
        write_timeout: timeouts.write,
        warnings,
    }
}

fn upstream(url: &str) -> Result<Target, Problem> {
    let problem = |fault: String| Problem::new(format!("failed to parse upstream URL: {fault}"));
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(problem(format!(
            "invalid scheme for upstream URL \"{url}\", only 'http' and 'https' are supported"
        )));
    }
    if url.contains(['?', '#']) {
        return Err(problem(format!("{url:?} has more than a path; leave out what follows it")));
    }
    url_target(url, None).map_err(problem)
}

fn listen(key: &str, text: &str) -> Result<Address, Problem> {
    // As Go's server has it: a free port on every interface.
    let text = if text.is_empty() { ":0" } else { text };
    let parsed = text.parse();
    parsed
        .map_err(|fault| Problem::new(format!("{key} is {text:?}, which {fault}; write host:port or :port")))
}

/// None for no bound.
struct Times {
    read: Option<Duration>,
    write: Option<Duration>,
    client: Option<Duration>,
}

fn timeouts(file: &File, found: &mut Found) -> Option<Times> {
    let read = found.take(nanos("proxy_read_timeout", &file.proxy_read_timeout));
    let write = found.take(nanos("proxy_write_timeout", &file.proxy_write_timeout));
    let client = found.take(nanos("proxymw_config.client_timeout", &file.proxymw_config.client_timeout));
    let bound = |nanos: i64| u64::try_from(nanos).ok().filter(|&nanos| nanos > 0).map(Duration::from_nanos);
    let (read, write, client) = (bound(read?), bound(write?), client?);
    // The original's own rule for a client's timeout that is not given.
    let client = if client == 0 { read.map(|read| read.saturating_mul(2)) } else { bound(client) };
    Some(Times { read, write, client })
}

/// Nanoseconds, which may be fewer than none; nothing is 0.
fn nanos(key: &str, text: &str) -> Result<i64, Problem> {
    match text {
        "" => Ok(0),
        text => parse_go_duration(text).map_err(|fault| {
            Problem::new(format!("error decoding YAML: {key}: {fault}; write one such as 30s or 1h2m"))
        }),
    }
}

fn chain(file: &File, interval: Duration, found: &mut Found, warnings: &mut Vec<String>) -> Option<Chain> {
    let config = &file.proxymw_config;
    let mut faults = Found::default();
    let window = faults.take(backpressure::plan(&config.backpressure_config, interval, warnings));
    let block = faults.take(block(file));
    // Not one of the chain's own faults: the original cannot even read such a file.
    let delay = found.take(nanos("proxymw_config.jitter_delay", &config.jitter_delay));
    let jitter = delay.and_then(|delay| faults.take(jitter(file, delay)));
    if let Some(first) = faults.0.first_mut() {
        first.text =
            format!("failed to create proxymw Routes: failed to validate middleware config: {}", first.text);
    }
    found.0.append(&mut faults.0);
    Some(Chain { window: window?, block: block?, jitter: jitter? })
}

fn block(file: &File) -> Result<BlockRules, Problem> {
    let config = &file.proxymw_config.blocker_config;
    let mut rules = BlockRules::new();
    if !config.enable_blocker {
        return Ok(rules);
    }
    for (nth, pattern) in config.block_patterns.iter().enumerate() {
        // The expression is looked at before the header's name.
        let expression = pattern.strip_prefix('=').map_or(Ok(()), |regex| BlockRules::new().push("-", regex));
        let added = expression.and_then(|()| rules.push_text(pattern));
        added.map_err(|fault| {
            Problem::with_note(
                format!("blocker config: {fault}"),
                format!(
                    "proxymw_config.blocker_config.block_patterns[{nth}] is {pattern:?}; write header=regex, as X-Agent=^bot"
                ),
            )
        })?;
    }
    Ok(rules)
}

fn jitter(file: &File, delay: i64) -> Result<Jitter, Problem> {
    let off = Jitter { max: Duration::ZERO, only_when_throttled: false, max_can_wait: MAX_CAN_WAIT };
    let key = "proxymw_config.jitter_delay";
    match (file.proxymw_config.enable_jitter, u64::try_from(delay)) {
        (false, _) => Ok(off),
        (true, Ok(0)) => Err(Problem::with_note(
            "delay must be non-empty when jitter is enabled",
            format!("{key} is 0; write the longest delay, such as 1s"),
        )),
        (true, Ok(nanos)) => Ok(Jitter { max: Duration::from_nanos(nanos), ..off }),
        (true, Err(_)) => Err(Problem::with_note(
            "delay cannot be negative when jitter is enabled",
            format!("{key} is {}; write the longest delay, such as 1s", file.proxymw_config.jitter_delay),
        )),
    }
}

/// What is wrong with Prometheus' URL; an empty one is fine.
fn monitoring_url(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Ok(());
    }
    match ServerUrl::parse(url) {
        Ok(parsed) if parsed.has_query => {
            Err(format!("{url:?} has a query; /api/v1/query is put behind it, so leave it out"))
        }
        Ok(_) => Ok(()),
        Err(UrlError::Syntax(fault)) => Err(format!("{url:?} is no URL: {fault}")),
        Err(UrlError::Port) => Err(format!("{url:?} has a port that is not a number from 0 to 65535")),
        Err(_) => Err(format!("{url:?} is not http:// or https:// with a host")),
    }
}

/// No signals.
const fn no_signals() -> SignalPlan {
    SignalPlan {
        signals: Vec::new(),
        on_loss: engine::aimd::OnSignalLoss::Hold,
        max_staleness: Duration::MAX,
        prometheus: None,
    }
}

#[cfg(test)]
mod tests;
