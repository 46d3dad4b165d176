//! What a daemon takes at its start, as variables: only this restarts a pod when it changes.

use crds::{
    cluster::{GlobalSync, Hash, LogFormat, LogLevel, OnOwnerUnavailable},
    credentials::secret_name,
};
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector};

use super::{super::validate::ValidatedCluster, pod};

/// The variables that are the operator's, and for each the field of the spec that is the way to it,
/// if there is one.
pub(in crate::cluster) const RESERVED: [(&str, Option<&str>); 32] = [
    ("POD_NAME", None),
    ("POD_NAMESPACE", None),
    ("POD_IP", None),
    ("GUBER_GRPC_ADDRESS", None),
    ("GUBER_HTTP_ADDRESS", None),
    ("WICKETGATE_PEER_ADDRESS", None),
    ("GUBER_INSTANCE_ID", None),
    ("GUBER_PEER_DISCOVERY_TYPE", None),
    ("GUBER_K8S_NAMESPACE", None),
    ("GUBER_K8S_POD_IP", None),
    ("GUBER_K8S_POD_PORT", None),
    ("GUBER_K8S_SERVICE_NAME", None),
    ("GUBER_K8S_WATCH_MECHANISM", None),
    ("WICKETGATE_DOCUMENT", None),
    ("WICKETGATE_DOCUMENT_DIR", None),
    ("WICKETGATE_CREDENTIALS", None),
    ("GUBER_CACHE_SIZE", Some("spec.capacity")),
    ("WICKETGATE_HASH", Some("spec.hash")),
    ("WICKETGATE_TIME_ZONE", Some("spec.timeZone")),
    ("GUBER_DATA_CENTER", Some("spec.dataCenter")),
    ("GUBER_BATCH_WAIT", Some("spec.batching.wait")),
    ("GUBER_BATCH_TIMEOUT", Some("spec.batching.timeout")),
    ("GUBER_BATCH_LIMIT", Some("spec.batching.limit")),
    ("GUBER_GLOBAL_SYNC_WAIT", Some("spec.global.syncWait")),
    ("GUBER_GLOBAL_TIMEOUT", Some("spec.global.timeout")),
    ("GUBER_GLOBAL_BATCH_LIMIT", Some("spec.global.batchLimit")),
    ("WICKETGATE_ON_OWNER_UNAVAILABLE", Some("spec.onOwnerUnavailable")),
    ("WICKETGATE_MAX_CLOCK_SKEW", Some("spec.maxClockSkew")),
    ("GUBER_GRACEFUL_TERMINATION_DELAY_SEC", Some("spec.drain.delay")),
    ("WICKETGATE_DRAIN_TIMEOUT", Some("spec.drain.timeout")),
    ("GUBER_LOG_LEVEL", Some("spec.logging.level")),
    ("GUBER_LOG_FORMAT", Some("spec.logging.format")),
];

/// All variables, those that others refer to first.
pub(super) fn environment(cluster: &ValidatedCluster) -> Vec<EnvVar> {
    let mut variables = vec![
        from_pod("POD_NAME", "metadata.name"),
        from_pod("POD_NAMESPACE", "metadata.namespace"),
        from_pod("POD_IP", "status.podIP"),
    ];
    variables.extend(place(cluster));
    variables.extend(settings(cluster));
    variables
}

/// Where the daemon is, and who else is there.
fn place(cluster: &ValidatedCluster) -> Vec<EnvVar> {
    vec![
        is("GUBER_GRPC_ADDRESS", &format!(":{}", pod::GRPC)),
        is("GUBER_HTTP_ADDRESS", &format!(":{}", pod::HTTP)),
        is("WICKETGATE_PEER_ADDRESS", &format!(":{}", pod::PEERS)),
        is("GUBER_INSTANCE_ID", &"$(POD_NAME)"),
        is("GUBER_PEER_DISCOVERY_TYPE", &"k8s"),
        is("GUBER_K8S_NAMESPACE", &"$(POD_NAMESPACE)"),
        is("GUBER_K8S_POD_IP", &"$(POD_IP)"),
        is("GUBER_K8S_POD_PORT", &pod::PEERS),
        is("GUBER_K8S_SERVICE_NAME", &cluster.name.peers_service()),
        is("GUBER_K8S_WATCH_MECHANISM", &"endpointslices"),
        is("WICKETGATE_DOCUMENT", &cluster.name.document()),
        is("WICKETGATE_DOCUMENT_DIR", &pod::DOCUMENT_DIR),
        // Whether it is there or not: a policy that comes to need it restarts no pod.
        is("WICKETGATE_CREDENTIALS", &secret_name(cluster.name.as_str())),
    ]
}

/// What the spec says and only a start can change.
fn settings(cluster: &ValidatedCluster) -> Vec<EnvVar> {
    let settings = &cluster.settings;
    let mut variables = vec![
        is("GUBER_CACHE_SIZE", &settings.capacity),
        is("WICKETGATE_HASH", &hash(settings.hash)),
        is("WICKETGATE_TIME_ZONE", &settings.time_zone),
        is("GUBER_BATCH_WAIT", &settings.batching.wait),
        is("GUBER_BATCH_TIMEOUT", &settings.batching.timeout),
        is("GUBER_BATCH_LIMIT", &settings.batching.limit),
        is("WICKETGATE_ON_OWNER_UNAVAILABLE", &on_owner_unavailable(settings.on_owner_unavailable)),
        is("WICKETGATE_MAX_CLOCK_SKEW", &settings.max_clock_skew),
        is("GUBER_GRACEFUL_TERMINATION_DELAY_SEC", &cluster.drain.delay_seconds),
        is("WICKETGATE_DRAIN_TIMEOUT", &cluster.drain.timeout),
        is("GUBER_LOG_LEVEL", &log_level(cluster.log_level)),
        is("GUBER_LOG_FORMAT", &log_format(cluster.log_format)),
    ];
    // Pods of this version warn of these at each start, since they do not act on them: only who asks for
    // something else than the default shall hear that.
    let usual = GlobalSync::default();
    for (name, asked, default) in [
        ("GUBER_GLOBAL_SYNC_WAIT", settings.global.sync_wait.to_string(), usual.sync_wait.to_string()),
        ("GUBER_GLOBAL_TIMEOUT", settings.global.timeout.to_string(), usual.timeout.to_string()),
        ("GUBER_GLOBAL_BATCH_LIMIT", settings.global.batch_limit.to_string(), usual.batch_limit.to_string()),
    ] {
        if asked != default {
            variables.push(is(name, &asked));
        }
    }
    // The API server drops an empty value, and would be asked to put it back for ever.
    if !settings.data_center.is_empty() {
        variables.push(is("GUBER_DATA_CENTER", &settings.data_center));
    }
    variables
}

fn is(name: &str, value: &dyn ToString) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_string()), value_from: None }
}

fn from_pod(name: &str, field_path: &str) -> EnvVar {
    let field = ObjectFieldSelector { api_version: None, field_path: field_path.to_owned() };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
    }
}

const fn hash(hash: Hash) -> &'static str {
    match hash {
        Hash::XXH3 => "xxh3",
        Hash::FNV1 => "fnv1",
        Hash::FNV1a => "fnv1a",
    }
}

const fn on_owner_unavailable(choice: OnOwnerUnavailable) -> &'static str {
    match choice {
        OnOwnerUnavailable::NextPeer => "NextPeer",
        OnOwnerUnavailable::Local => "Local",
        OnOwnerUnavailable::Error => "Error",
    }
}

const fn log_level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

const fn log_format(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Json => "json",
        LogFormat::Text => "text",
    }
}
