//! The variables that are known and on which this version does not act, or does not start.

use super::{
    HOUR, Kind,
    Kind::{Count, Switch, Text},
    MILLI, Status, Variable,
};

const fn checked(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, kind, default, meaning, status: Status::NotYet }
}

const fn later(name: &'static str, meaning: &'static str) -> Variable {
    checked(name, Text, "", meaning)
}

const fn refused(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, kind: Text, default: "", meaning, status: Status::Refused }
}

/// In the order of the documentation.
pub(super) const LATER: &[Variable] = &[
    // GLOBAL. Checked already, so that a bad value does not come to light with an upgrade.
    checked("GUBER_FORCE_GLOBAL", Switch, "false", "Treat every request as GLOBAL."),
    checked(
        "GUBER_GLOBAL_TIMEOUT",
        Kind::Duration(MILLI, HOUR),
        "500ms",
        "How long hits for an owner, or its broadcast, may take.",
    ),
    checked("GUBER_GLOBAL_BATCH_LIMIT", Count(1, 1_000_000), "1000", "Items sent at once."),
    checked(
        "GUBER_GLOBAL_SYNC_WAIT",
        Kind::Duration(MILLI, HOUR),
        "100ms",
        "How long hits and broadcasts gather.",
    ),
    // TLS.
    refused("GUBER_TLS_CA", "PEM file of the authority for peers."),
    refused("GUBER_TLS_CA_KEY", "PEM file of that authority's key."),
    refused("GUBER_TLS_CERT", "PEM file of the certificate to serve."),
    refused("GUBER_TLS_KEY", "PEM file of its key."),
    refused("GUBER_TLS_AUTO", "Make certificates at start."),
    refused("GUBER_TLS_MIN_VERSION", "Oldest TLS version to accept."),
    refused("GUBER_TLS_CLIENT_AUTH", "Whether clients need a certificate."),
    refused("GUBER_TLS_CLIENT_AUTH_KEY", "PEM file of the key shown to peers."),
    refused("GUBER_TLS_CLIENT_AUTH_CERT", "PEM file of the certificate shown to peers."),
    refused("GUBER_TLS_CLIENT_AUTH_CA_CERT", "PEM file of the authority for clients."),
    refused("GUBER_TLS_CLIENT_AUTH_SERVER_NAME", "Name expected in the certificates of peers."),
    refused("GUBER_TLS_INSECURE_SKIP_VERIFY", "Take any certificate from peers."),
    later(
        "GUBER_STATUS_HTTP_ADDRESS",
        "Where a second HTTPS listener serves the health check alone, beside TLS.",
    ),
    // Discovery.
    later("GUBER_MEMBERLIST_KNOWN_NODES", "member-list: nodes to join."),
    later("GUBER_MEMBERLIST_ADDRESS", "member-list: gossip address shown to others."),
    later("GUBER_MEMBERLIST_BIND_ADDRESS", "member-list: gossip address bound."),
    later("GUBER_MEMBERLIST_ADVERTISE_ADDRESS", "member-list: gRPC address shown to others."),
    later("GUBER_MEMBERLIST_NODE_NAME", "member-list: name of this node."),
    later("GUBER_MEMBERLIST_SECRET_KEYS", "member-list: keys that encrypt gossip."),
    later("GUBER_MEMBERLIST_GOSSIP_VERIFY_INCOMING", "member-list: refuse plain gossip."),
    later("GUBER_MEMBERLIST_GOSSIP_VERIFY_OUTGOING", "member-list: send no plain gossip."),
    later("GUBER_ETCD_ENDPOINTS", "etcd: servers."),
    later("GUBER_ETCD_KEY_PREFIX", "etcd: where nodes are written."),
    later("GUBER_ETCD_DIAL_TIMEOUT", "etcd: how long dialling may take."),
    later("GUBER_ETCD_USER", "etcd: user."),
    later("GUBER_ETCD_PASSWORD", "etcd: password."),
    later("GUBER_ETCD_ADVERTISE_ADDRESS", "etcd: address shown to others."),
    later("GUBER_ETCD_DATA_CENTER", "etcd: region shown to others."),
    later("GUBER_ETCD_TLS_ENABLE", "etcd: dial with TLS."),
    later("GUBER_ETCD_TLS_CERT", "etcd: PEM file of the certificate shown."),
    later("GUBER_ETCD_TLS_KEY", "etcd: PEM file of its key."),
    later("GUBER_ETCD_TLS_CA", "etcd: PEM file of the authority."),
    later("GUBER_ETCD_TLS_SKIP_VERIFY", "etcd: take any certificate."),
    later("GUBER_DNS_FQDN", "dns: names to ask for."),
    later("GUBER_RESOLV_CONF", "dns: file that names the servers."),
    // Tracing.
    later("GUBER_TRACING_LEVEL", "Which spans are made."),
    later("OTEL_SERVICE_NAME", "Name of the service in traces."),
    later("OTEL_TRACES_EXPORTER", "Where traces go."),
    later("OTEL_TRACES_SAMPLER", "Which traces are kept."),
    later("OTEL_TRACES_SAMPLER_ARG", "The sampler's argument."),
    later("OTEL_EXPORTER_OTLP_PROTOCOL", "OTLP: transport."),
    later("OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP: collector."),
    later("OTEL_EXPORTER_OTLP_HEADERS", "OTLP: headers."),
    later("OTEL_EXPORTER_OTLP_CERTIFICATE", "OTLP: PEM file of the authority."),
    later("OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTLP: PEM file of the key shown."),
    later("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTLP: PEM file of the certificate shown."),
];
