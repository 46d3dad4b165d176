//! What the process is told: `GUBER_*` and `WICKETGATE_*` variables and a file of `KEY = value`
//! lines, checked as a whole before any port is bound.
//!
//! The environment wins over the file. An explicit `false` or `0` counts; an empty value is the same
//! as none. [`variables`] is the one list of what there is.

mod advertise;
mod discovery;
mod docs;
mod peers;
mod problem;
mod reader;
mod source;
mod table;
mod value;

use std::{path::PathBuf, time::Duration};

use engine::{Calendar, RingHash};

pub(crate) use self::table::distance;
use self::{
    discovery::Listens,
    reader::{Reader, Written},
    value::parse_list,
};
pub use self::{
    discovery::{CredentialsSource, Discovery, DocumentSource, Find, Kubernetes},
    docs::render_docs,
    peers::{Peer, parse_peers},
    problem::{Problem, Problems, Warning},
    source::{ConfigFile, Entry, Environment, Origin, Pairs, Source},
    table::{Kind, Status, Variable, variables},
    value::{Address, ValueError, parse_duration, render_duration},
};
use crate::telemetry::{Format, Level};

/// Everything the process is told, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where gRPC clients are served.
    pub grpc_address: Address,
    /// Where the gateway, metrics and probes are served.
    pub http_address: Address,
    /// Where PeersV1 is served while there are peers.
    pub peer_address: Address,
    /// Whether PeersV1 is served at `grpc_address`, too.
    pub share_peer_port: bool,
    /// This node's name on the ring. Port 0 means the one that `grpc_address` gets when bound.
    pub advertise_address: Address,
    /// This node's name in logs.
    pub instance_id: String,
    /// The region this node is in; empty for none.
    pub data_center: String,
    /// Buckets held before the least recently used is dropped.
    pub cache_size: usize,
    /// Threads that serve clients; at least 1.
    pub threads: usize,
    /// Calendar intervals in the configured zone.
    pub calendar: Calendar,
    /// How far `created_at` may lie from the clock.
    pub max_clock_skew: Duration,
    /// Files and folders of manifests whose limits are declared.
    pub limits: Vec<PathBuf>,
    /// The operator's document, if there is one.
    pub document: Option<DocumentSource>,
    /// Where the secrets of policies are, if they are in the cluster.
    pub credentials: Option<CredentialsSource>,
    /// After which time a connection is asked to close; `None` for never.
    pub grpc_max_connection_age: Option<Duration>,
    /// How long to serve, not ready, after a signal to stop.
    pub termination_delay: Duration,
    /// How long requests in flight may take after that.
    pub drain_timeout: Duration,
    /// The least level logged; `GUBER_DEBUG` is already part of it.
    pub log_level: Level,
    /// How log lines look.
    pub log_format: Format,
    /// Whether the metrics of the process are shown (`os` in `GUBER_METRIC_FLAGS`).
    pub process_metrics: bool,
    /// How nodes find each other.
    pub discovery: Discovery,
    /// The ring's hash.
    pub ring_hash: RingHash,
    /// Who decides while an owner cannot be reached.
    pub on_owner_unavailable: OnOwnerUnavailable,
    /// How items are gathered for their owners.
    pub batching: Batching,
    /// How GLOBAL is timed; nothing acts on it yet.
    pub global: Global,
}

/// Who decides while a bucket's owner cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOwnerUnavailable {
    /// The next node on the ring.
    NextPeer,
    /// The node that was asked.
    Local,
    /// Nobody: the item gets an error.
    Error,
}

/// How items are gathered for their owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The longest an item waits.
    pub wait: Duration,
    /// How long a batch may take.
    pub timeout: Duration,
    /// Items in a batch, 1 to 1,000.
    pub limit: usize,
    /// Whether every item goes by itself.
    pub disabled: bool,
}

/// How GLOBAL is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Global {
    /// Whether every request counts as GLOBAL.
    pub force: bool,
    /// How long hits and broadcasts gather.
    pub sync_wait: Duration,
    /// How long a send may take.
    pub timeout: Duration,
    /// Items sent at once.
    pub batch_limit: usize,
}

/// What `wicketgated health` is told.
#[derive(Clone, Debug)]
pub struct HealthSettings {
    /// Where the gateway is.
    pub http_address: Address,
    /// How often to ask again.
    pub retries: usize,
}

impl Settings {
    /// Reads everything from the environment and the file, and says what is odd about it.
    ///
    /// # Errors
    /// Every problem at once; with one, nothing may be started (exit code 64).
    pub fn read(
        environment: &dyn Source,
        file: Option<ConfigFile>,
    ) -> Result<(Self, Vec<Warning>), Problems> {
        let mut reader = open(environment, file);
        let settings = Self::from_reader(&mut reader);
        match settings {
            Some(settings) if reader.problems.is_empty() => Ok((settings, reader.warnings)),
            _ => Err(Problems::new(reader.problems, reader.warnings)),
        }
    }

    /// `None` only after a problem: each address has a default.
    fn from_reader(reader: &mut Reader) -> Option<Self> {
        let grpc_address = reader.address("GUBER_GRPC_ADDRESS");
        let http_address = reader.address("GUBER_HTTP_ADDRESS");
        let peer_address = reader.address("WICKETGATE_PEER_ADDRESS");
        let share_peer_port = reader.switch("WICKETGATE_SHARE_PEER_PORT");
        let listens =
            Listens { grpc: grpc_address.as_ref(), peers: peer_address.as_ref(), shared: share_peer_port };
        let discovery = discovery::read(reader, &listens);
        let document = discovery::read_document(reader);
        let credentials = discovery::read_credentials(reader);
        let advertise_address = advertise::read(reader, grpc_address.as_ref(), &discovery);
        let logging = read_logging(reader);
        let instance_id = reader.text("GUBER_INSTANCE_ID");
        let data_center = reader.text("GUBER_DATA_CENTER").unwrap_or_default();
        let cache_size = reader.count("GUBER_CACHE_SIZE").unwrap_or_default();
        let threads = read_threads(reader);
        let calendar = read_calendar(reader);
        let max_clock_skew = reader.duration("WICKETGATE_MAX_CLOCK_SKEW");
        let limits =
            reader.parse("WICKETGATE_LIMITS", |text| Ok(parse_list(text).map(PathBuf::from).collect()));
        let age = reader.seconds("GUBER_GRPC_MAX_CONN_AGE_SEC");
        let termination_delay = reader.seconds("GUBER_GRACEFUL_TERMINATION_DELAY_SEC");
        let drain_timeout = reader.duration("WICKETGATE_DRAIN_TIMEOUT");
        reader.count("GUBER_HTTP_RETRY_COUNT");
        let metric_flags = reader.words("GUBER_METRIC_FLAGS");
        let ring_hash = read_ring_hash(reader);
        let on_owner_unavailable = read_on_owner_unavailable(reader);
        let batching = read_batching(reader);
        let global = read_global(reader);
        reader.take_the_rest();
        Some(Self {
            grpc_address: grpc_address?,
            http_address: http_address?,
            peer_address: peer_address?,
            share_peer_port,
            advertise_address: advertise_address?,
            instance_id: instance_id.unwrap_or_else(random_id),
            data_center,
            cache_size,
            threads,
            calendar,
            max_clock_skew,
            limits: limits.unwrap_or_default(),
            document,
            credentials,
            grpc_max_connection_age: (!age.is_zero()).then_some(age),
            termination_delay,
            drain_timeout,
            log_level: logging.level,
            log_format: logging.format,
            process_metrics: metric_flags.contains(&"os"),
            discovery,
            ring_hash,
            on_owner_unavailable,
            batching,
            global,
        })
    }
}

impl HealthSettings {
    /// Reads the two variables that `wicketgated health` needs; others may be wrong, the daemon says so.
    ///
    /// # Errors
    /// Where one of the two is wrong.
    pub fn read(environment: &dyn Source) -> Result<Self, Problems> {
        let mut reader = open(environment, None);
        let http_address = reader.address("GUBER_HTTP_ADDRESS");
        let retries = reader.count("GUBER_HTTP_RETRY_COUNT");
        match (http_address, retries) {
            (Some(http_address), Some(retries)) => Ok(Self { http_address, retries }),
            _ => Err(Problems::new(reader.problems, reader.warnings)),
        }
    }
}

/// How a process logs that reads nothing else from the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The least level logged.
    pub level: Level,
    /// How log lines look.
    pub format: Format,
}

impl LogSettings {
    /// Reads the variables about logs; others may be wrong, as nothing here depends on them.
    ///
    /// # Errors
    /// Where one of them is wrong.
    pub fn read(environment: &dyn Source) -> Result<Self, Problems> {
        let mut reader = open(environment, None);
        let settings = read_logging(&mut reader);
        match reader.problems.as_slice() {
            [] => Ok(settings),
            _ => Err(Problems::new(reader.problems, reader.warnings)),
        }
    }
}

fn read_logging(reader: &mut Reader) -> LogSettings {
    let debug = reader.switch("GUBER_DEBUG");
    let level: Level = reader.word("GUBER_LOG_LEVEL", |word| word.parse().ok()).unwrap_or_default();
    let format = reader.word("GUBER_LOG_FORMAT", |word| word.parse().ok()).unwrap_or_default();
    LogSettings { level: if debug { Level::Debug.max(level) } else { level }, format }
}

fn open(environment: &dyn Source, file: Option<ConfigFile>) -> Reader {
    let (mut entries, malformed) = file.map(ConfigFile::into_parts).unwrap_or_default();
    // An empty variable must not hide what the file says, and the reader drops it.
    entries.extend(environment.entries());
    let mut reader = Reader::new(entries);
    reader.problems.extend(malformed);
    reader
}

fn read_threads(reader: &mut Reader) -> usize {
    let theirs = reader.count("GUBER_WORKER_COUNT");
    let ours = reader.count("WICKETGATE_THREADS");
    if let (Some(ours), Some(theirs)) = (ours, theirs)
        && ours != theirs
    {
        reader.warn(format!("WICKETGATE_THREADS ({ours}) wins over GUBER_WORKER_COUNT ({theirs})"));
    }
    ours.or(theirs).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

fn read_ring_hash(reader: &mut Reader) -> RingHash {
    let hash = |word: &str| word.parse().ok();
    let picker = reader.word("GUBER_PEER_PICKER", |_| Some(())).is_some();
    let theirs = reader.word("GUBER_PEER_PICKER_HASH", hash);
    // The engine's ring has that number built in; another one would part a ring without a word.
    reader.word("GUBER_REPLICATED_HASH_REPLICAS", |_| Some(()));
    let ours = reader.word("WICKETGATE_HASH", hash);
    if !picker && let Some(Written { origin, .. }) = reader.written("GUBER_PEER_PICKER_HASH") {
        reader.warn(format!(
            "GUBER_PEER_PICKER_HASH ({origin}) has no effect without GUBER_PEER_PICKER=replicated-hash"
        ));
    }
    ours.or_else(|| theirs.filter(|_| picker)).unwrap_or_default()
}

fn read_on_owner_unavailable(reader: &mut Reader) -> OnOwnerUnavailable {
    reader
        .word("WICKETGATE_ON_OWNER_UNAVAILABLE", |word| match word {
            "NextPeer" => Some(OnOwnerUnavailable::NextPeer),
            "Local" => Some(OnOwnerUnavailable::Local),
            "Error" => Some(OnOwnerUnavailable::Error),
            _ => None,
        })
        .unwrap_or(OnOwnerUnavailable::NextPeer)
}

fn read_batching(reader: &mut Reader) -> Batching {
    Batching {
        wait: reader.duration("GUBER_BATCH_WAIT"),
        timeout: reader.duration("GUBER_BATCH_TIMEOUT"),
        limit: reader.count("GUBER_BATCH_LIMIT").unwrap_or_default(),
        disabled: reader.switch("GUBER_DISABLE_BATCHING"),
    }
}

fn read_global(reader: &mut Reader) -> Global {
    Global {
        force: reader.switch("GUBER_FORCE_GLOBAL"),
        sync_wait: reader.duration("GUBER_GLOBAL_SYNC_WAIT"),
        timeout: reader.duration("GUBER_GLOBAL_TIMEOUT"),
        batch_limit: reader.count("GUBER_GLOBAL_BATCH_LIMIT").unwrap_or_default(),
    }
}

fn read_calendar(reader: &mut Reader) -> Calendar {
    reader
        .parse("WICKETGATE_TIME_ZONE", |text| {
            Calendar::new(text).map_err(|_| "is no zone of the database".to_owned())
        })
        .unwrap_or_else(Calendar::utc)
}

/// Ten hexadecimal digits. The standard library seeds each `RandomState` anew, and no more than that
/// is needed of a name in a log.
fn random_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:010x}", RandomState::new().hash_one(0) & 0xff_ffff_ffff)
}

#[cfg(test)]
mod tests;
