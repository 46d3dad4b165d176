//! The variables on which this version acts.

use crds::duration::GoDuration;

use super::{
    HOUR, Kind,
    Kind::{Address, AnyOf, Count, OneOf, Path, Paths, Peers, Seconds, Switch, Text, TimeZone},
    MILLI, MINUTE, Status, Variable, ZERO,
};

const DAY: GoDuration = GoDuration::from_secs(86_400);
const LEVELS: &[&str] = &["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"];

const fn works(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, kind, default, meaning, status: Status::Works }
}

/// In the order of the documentation.
pub(super) const WORKS: &[Variable] = &[
    // Where to listen, and who we are.
    works(
        "GUBER_GRPC_ADDRESS",
        Address,
        "localhost:1051",
        "Where gRPC clients are served. Port 0 lets the system choose; an empty host means every interface.",
    ),
    works(
        "GUBER_HTTP_ADDRESS",
        Address,
        "localhost:1050",
        "Where the HTTP gateway, `/metrics`, `/livez` and `/readyz` are served. `wicketgated health` asks there, too.",
    ),
    works(
        "WICKETGATE_PEER_ADDRESS",
        Address,
        "localhost:1052",
        "Where other nodes are served (PeersV1). Bound only when there are peers, or may be (`k8s`).",
    ),
    works(
        "WICKETGATE_SHARE_PEER_PORT",
        Switch,
        "false",
        "Serve PeersV1 on `GUBER_GRPC_ADDRESS`, too, as Gubernator does. For rings in which Gubernator nodes take part; whoever reaches the port can then change every bucket.",
    ),
    works(
        "GUBER_ADVERTISE_ADDRESS",
        Address,
        "",
        "This node's name on the ring. Default: `GUBER_GRPC_ADDRESS`; where its host means every interface, the first address of the machine's host name.",
    ),
    works("GUBER_INSTANCE_ID", Text, "", "This node's name in logs. Default: ten random hexadecimal digits."),
    works("GUBER_DATA_CENTER", Text, "", "The region this node is in."),
    // The engine.
    works(
        "GUBER_CACHE_SIZE",
        Count(1, 4_000_000_000),
        "50000",
        "Buckets held before the least recently used is dropped, over all threads.",
    ),
    works(
        "GUBER_WORKER_COUNT",
        Count(1, 1_024),
        "",
        "Threads that serve clients. Default: as many as the machine runs at once.",
    ),
    works(
        "WICKETGATE_THREADS",
        Count(1, 1_024),
        "",
        "The same under our own name; it wins over `GUBER_WORKER_COUNT`.",
    ),
    works(
        "WICKETGATE_TIME_ZONE",
        TimeZone,
        "UTC",
        "The zone in which calendar intervals (minute to year) begin and end.",
    ),
    works(
        "WICKETGATE_MAX_CLOCK_SKEW",
        Kind::Duration(ZERO, DAY),
        "10m",
        "How far a request's `created_at` may lie from this node's clock; what lies further is moved to that bound and counted in `wicketgate_clock_clamps_total`.",
    ),
    works(
        "WICKETGATE_LIMITS",
        Paths,
        "",
        "Files and folders of RateLimit manifests whose limits `serve` declares.",
    ),
    works(
        "WICKETGATE_DOCUMENT",
        Text,
        "",
        "The document of limits that the operator writes: the ConfigMaps `NAME-0`, `NAME-1` … in `GUBER_K8S_NAMESPACE`, watched through the Kubernetes API. Excludes `WICKETGATE_LIMITS`.",
    ),
    works(
        "WICKETGATE_DOCUMENT_DIR",
        Path,
        "",
        "Where the same ConfigMaps are mounted, as `0/document.yaml`, `0/revision`, `0/parts`, `1/…`: what counts while the API server has not answered yet.",
    ),
    works(
        "WICKETGATE_CREDENTIALS",
        Text,
        "",
        "The Secret in `GUBER_K8S_NAMESPACE` in which the operator keeps what of other Secrets BackpressurePolicies name, watched through the Kubernetes API.",
    ),
    // The life of the process.
    works(
        "GUBER_GRPC_MAX_CONN_AGE_SEC",
        Seconds(31_536_000),
        "0",
        "Seconds after which a gRPC connection is asked to close; it then has as long again to finish. 0: never.",
    ),
    works(
        "GUBER_GRACEFUL_TERMINATION_DELAY_SEC",
        Seconds(3_600),
        "0",
        "Seconds to go on serving, but not ready, after SIGTERM or SIGINT.",
    ),
    works(
        "WICKETGATE_DRAIN_TIMEOUT",
        Kind::Duration(ZERO, HOUR),
        "30s",
        "How long requests in flight may then take to finish.",
    ),
    works(
        "GUBER_HTTP_RETRY_COUNT",
        Count(0, 10_000),
        "1",
        "How often `wicketgated health` asks again, 500 ms apart, before it gives up.",
    ),
    // What can be seen.
    works(
        "GUBER_LOG_LEVEL",
        OneOf(LEVELS),
        "info",
        "The least level that is logged. `panic` and `fatal` mean `error`. `--log-level` wins over it.",
    ),
    works(
        "GUBER_LOG_FORMAT",
        OneOf(&["text", "json"]),
        "text",
        "How log lines look. `--log-format` wins over it.",
    ),
    works(
        "GUBER_DEBUG",
        Switch,
        "false",
        "Log at `debug`, whatever `GUBER_LOG_LEVEL` says. `--debug` does the same.",
    ),
    works(
        "GUBER_METRIC_FLAGS",
        AnyOf(&["os", "golang"]),
        "",
        "`os` adds `gubernator_process_*` to the metrics. `golang` is taken and adds nothing: there is no Go runtime here.",
    ),
    // Peers.
    works(
        "GUBER_PEER_DISCOVERY_TYPE",
        OneOf(&["none", "static", "k8s"]),
        "none",
        "How nodes find each other: `none` (a cluster of one), `static` (`WICKETGATE_PEERS`, which also implies it) or `k8s` (the Kubernetes API). `member-list`, `etcd` and `dns` are refused in this version.",
    ),
    works(
        "WICKETGATE_PEERS",
        Peers,
        "",
        "Every node of the ring, this one included. A node is known by its advertise address, and dialled at the address after the `@`, or at the advertise address itself where there is none (a Gubernator, or a node with `WICKETGATE_SHARE_PEER_PORT`).",
    ),
    works(
        "GUBER_K8S_NAMESPACE",
        Text,
        "default",
        "k8s: the namespace of the nodes, of the ConfigMaps that `WICKETGATE_DOCUMENT` names, and of the Secret that `WICKETGATE_CREDENTIALS` names.",
    ),
    works(
        "GUBER_K8S_POD_IP",
        Text,
        "",
        "k8s: this pod's address (`status.podIP`). With `GUBER_K8S_POD_PORT` it is this node's name on the ring.",
    ),
    works(
        "GUBER_K8S_POD_PORT",
        Count(1, 65_535),
        "",
        "k8s: the port at which every pod serves PeersV1: that of `WICKETGATE_PEER_ADDRESS`, or, with `WICKETGATE_SHARE_PEER_PORT`, that of `GUBER_GRPC_ADDRESS`.",
    ),
    works(
        "GUBER_K8S_WATCH_MECHANISM",
        OneOf(&["endpointslices", "endpoints", "pods"]),
        "endpointslices",
        "k8s: what tells who is there: the EndpointSlices of a Service (`endpoints` means the same), or pods themselves. The pod's account must be allowed to list and watch them.",
    ),
    works(
        "GUBER_K8S_SERVICE_NAME",
        Text,
        "",
        "k8s: the Service whose EndpointSlices are watched; required for `endpointslices`.",
    ),
    works(
        "GUBER_K8S_SELECTOR",
        Text,
        "",
        "k8s: the labels of the pods, such as `app=wicketgate`; required for `pods`.",
    ),
    works(
        "GUBER_K8S_ENDPOINTS_SELECTOR",
        Text,
        "",
        "k8s: an older name of `GUBER_K8S_SELECTOR`, which wins.",
    ),
    works(
        "WICKETGATE_ON_OWNER_UNAVAILABLE",
        OneOf(&["NextPeer", "Local", "Error"]),
        "NextPeer",
        "Who decides while a bucket's owner cannot be reached: the next node on the ring, the node that was asked, or nobody (the item gets an error).",
    ),
    works(
        "WICKETGATE_HASH",
        OneOf(&["xxh3", "fnv1", "fnv1a"]),
        "",
        "The ring's hash; every node must have the same. Default: that of `GUBER_PEER_PICKER`, else `xxh3`. A Gubernator without a picker uses `fnv1`.",
    ),
    works(
        "GUBER_PEER_PICKER",
        OneOf(&["replicated-hash"]),
        "",
        "`replicated-hash` takes the ring's hash from `GUBER_PEER_PICKER_HASH`, as a Gubernator with this setting does.",
    ),
    works(
        "GUBER_PEER_PICKER_HASH",
        OneOf(&["fnv1a", "fnv1", "xxh3"]),
        "fnv1a",
        "The ring's hash. Counts only beside `GUBER_PEER_PICKER`, and less than `WICKETGATE_HASH`.",
    ),
    works(
        "GUBER_REPLICATED_HASH_REPLICAS",
        OneOf(&["512"]),
        "512",
        "Points a node has on the ring. Every node must have the same number, and this version knows only Gubernator's default.",
    ),
    // Batches between nodes.
    works(
        "GUBER_BATCH_TIMEOUT",
        Kind::Duration(MILLI, HOUR),
        "500ms",
        "How long a forwarded batch may take.",
    ),
    works("GUBER_BATCH_LIMIT", Count(1, 1_000), "1000", "Items in a forwarded batch."),
    works(
        "GUBER_BATCH_WAIT",
        Kind::Duration(ZERO, MINUTE),
        "500us",
        "The longest an item waits for others to be forwarded with.",
    ),
    works("GUBER_DISABLE_BATCHING", Switch, "false", "Forward every item by itself."),
];
