use std::{collections::BTreeSet, fs, path::Path};

use super::*;

fn read<const N: usize>(pairs: [(&str, &str); N]) -> Result<(Settings, Vec<Warning>), Problems> {
    Settings::read(&Pairs::from(pairs), None)
}

fn settings<const N: usize>(pairs: [(&str, &str); N]) -> Settings {
    read(pairs).unwrap_or_else(|problems| panic!("{problems}")).0
}

fn problem<const N: usize>(pairs: [(&str, &str); N]) -> String {
    read(pairs).expect_err("a problem").to_string()
}

fn warnings<const N: usize>(pairs: [(&str, &str); N]) -> Vec<String> {
    let (_, warnings) = read(pairs).unwrap_or_else(|problems| panic!("{problems}"));
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn with_nothing_set_the_defaults_of_the_table_count() {
    let (settings, warnings) = read([]).expect("the defaults are good");
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(settings.grpc_address.as_str(), "localhost:1051");
    assert_eq!(settings.http_address.as_str(), "localhost:1050");
    assert_eq!(settings.peer_address.as_str(), "localhost:1052");
    assert_eq!(settings.advertise_address, settings.grpc_address);
    assert_eq!(settings.cache_size, 50_000);
    assert!(settings.threads >= 1);
    assert_eq!(settings.discovery, Discovery::None);
    assert_eq!(settings.ring_hash, RingHash::Xxh3);
    assert_eq!(
        settings.batching,
        Batching {
            wait: Duration::from_micros(500),
            timeout: Duration::from_millis(500),
            limit: 1_000,
            disabled: false,
        }
    );
    assert_eq!(settings.global.sync_wait, Duration::from_millis(100));
    assert_eq!(settings.max_clock_skew, Duration::from_secs(600));
    assert_eq!(settings.drain_timeout, Duration::from_secs(30));
    assert_eq!(settings.grpc_max_connection_age, None);
    assert_eq!(settings.on_owner_unavailable, OnOwnerUnavailable::NextPeer);
    assert_eq!((settings.log_level, settings.log_format), (Level::Info, Format::Text));
    assert_eq!(settings.instance_id.len(), 10);
}

#[test]
fn every_default_is_allowed_and_every_variable_is_read() {
    let mut reader = open(&Pairs::default(), None);
    assert!(Settings::from_reader(&mut reader).is_some());
    let known: BTreeSet<_> = variables().map(|variable| variable.name).collect();
    assert_eq!(*reader.read_names(), known);
    for variable in variables().filter(|variable| !variable.default.is_empty()) {
        let found = read([(variable.name, variable.default)]);
        assert!(found.is_ok(), "{}: {:?}", variable.name, found.err());
    }
}

#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, render_docs()).expect("docs can be written");
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == render_docs(),
        "docs/configuration.md is old; run UPDATE=1 cargo test -p wicketgate-daemon"
    );
}

#[test]
fn the_environment_wins_over_the_file_and_empty_counts_as_none() {
    let file = ConfigFile::parse(
        "my.conf",
        "GUBER_CACHE_SIZE = 7\nGUBER_DATA_CENTER = north\nGUBER_DISABLE_BATCHING = true",
    );
    let environment = Pairs::from([
        ("GUBER_CACHE_SIZE", "9"),
        ("GUBER_DATA_CENTER", ""),
        ("GUBER_DISABLE_BATCHING", "false"),
        ("HOME", "/"),
    ]);
    let (settings, warnings) = Settings::read(&environment, Some(file)).expect("good");
    assert_eq!(settings.cache_size, 9);
    assert_eq!(settings.data_center, "north");
    assert!(!settings.batching.disabled);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn zero_counts_where_it_is_allowed() {
    let settings = settings([("GUBER_BATCH_WAIT", "0"), ("WICKETGATE_MAX_CLOCK_SKEW", "0s")]);
    assert_eq!((settings.batching.wait, settings.max_clock_skew), (Duration::ZERO, Duration::ZERO));
    let text = problem([("GUBER_CACHE_SIZE", "0")]);
    assert_eq!(
        text,
        "GUBER_CACHE_SIZE is \"0\" (environment), which is out of bounds; allowed: a whole number from 1 to 4000000000"
    );
}

#[test]
fn every_problem_is_listed_with_its_place() {
    let file = ConfigFile::parse("my.conf", "GUBER_HTTP_ADDRESS = nowhere\nnonsense\n");
    let environment = Pairs::from([
        ("GUBER_BATCH_TIMEOUT", "-5ms"),
        ("GUBER_BATCH_LIMIT", "1001"),
        ("GUBER_DEBUG", "perhaps"),
        ("GUBER_LOG_LEVEL", "loud"),
        ("GUBER_METRIC_FLAGS", "os,java"),
        ("GUBER_BATCHTIMEOUT", "1s"),
    ]);
    let problems = Settings::read(&environment, Some(file)).expect_err("problems");
    assert_eq!(problems.iter().count(), 7, "{problems}");
    let text = problems.to_string();
    for said in [
        "GUBER_HTTP_ADDRESS is \"nowhere\" (my.conf:1), which has no port; allowed: host:port",
        "my.conf:2: malformed line",
        "GUBER_BATCH_TIMEOUT is \"-5ms\" (environment), which is a negative duration; allowed: a duration such as 500us",
        "GUBER_BATCH_LIMIT is \"1001\" (environment), which is out of bounds; allowed: a whole number from 1 to 1000",
        "GUBER_DEBUG is \"perhaps\" (environment), which is neither true nor false; allowed: true or false",
        "GUBER_LOG_LEVEL is \"loud\" (environment), which is none of the known words; allowed: panic, fatal, error",
        "\nwarning: GUBER_BATCHTIMEOUT (environment) is no setting and is ignored; did you mean GUBER_BATCH_TIMEOUT?",
        "GUBER_METRIC_FLAGS is \"os,java\" (environment), which contains \"java\"; allowed: a comma list of os, golang",
    ] {
        assert!(text.contains(said), "{said}\nis not in\n{text}");
    }
}

#[test]
fn a_misspelt_name_is_a_warning_with_the_nearest_one() {
    let file = ConfigFile::parse("my.conf", "CACHE_SIZE = 5");
    let environment =
        Pairs::from([("GUBER_GRPC_ADRESS", "x"), ("WICKETGATE_SERVICE_HOST", "10.0.0.1"), ("PATH", "/")]);
    let (_, warnings) = Settings::read(&environment, Some(file)).expect("good");
    let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "CACHE_SIZE (my.conf:1) is no setting and is ignored; did you mean GUBER_CACHE_SIZE?",
            "GUBER_GRPC_ADRESS (environment) is no setting and is ignored; did you mean GUBER_GRPC_ADDRESS?",
        ]
    );
}

#[test]
fn peers_imply_static_discovery() {
    let settings = settings([("GUBER_GRPC_ADDRESS", "a:1051"), ("WICKETGATE_PEERS", "a:1051@a:1052,b:1051")]);
    let Discovery::Static(peers) = settings.discovery else { panic!("{:?}", settings.discovery) };
    let shown: Vec<_> = peers.iter().map(|p| (p.advertise.as_str(), p.listener.as_str())).collect();
    assert_eq!(shown, [("a:1051", "a:1052"), ("b:1051", "b:1051")]);
}

#[test]
fn a_node_outside_its_own_ring_is_warned_of() {
    let texts = warnings([("GUBER_GRPC_ADDRESS", "c:1051"), ("WICKETGATE_PEERS", "a:1051,b:1051")]);
    assert!(texts[0].starts_with("WICKETGATE_PEERS does not name this node (c:1051)"), "{texts:?}");
}

#[test]
fn discovery_settings_must_agree() {
    assert!(problem([("GUBER_PEER_DISCOVERY_TYPE", "static")]).contains("names no peer"));
    assert!(
        problem([("GUBER_PEER_DISCOVERY_TYPE", "none"), ("WICKETGATE_PEERS", "a:1")])
            .contains("is none; set it to static")
    );
    assert!(problem([("GUBER_PEER_DISCOVERY_TYPE", "etcd")]).contains("is not available in this version"));
    assert!(
        problem([("GUBER_PEER_DISCOVERY_TYPE", "zookeeper")])
            .contains("is none of the known words; allowed: none, static, k8s")
    );
    assert!(problem([("WICKETGATE_PEERS", "a:1,a:1")]).contains("names a:1 twice"));
    assert!(problem([("GUBER_GRPC_ADDRESS", "a:0"), ("WICKETGATE_PEERS", "a:1")]).contains("give it a port"));
}

/// What the operator sets on a pod.
const POD: [(&str, &str); 6] = [
    ("GUBER_PEER_DISCOVERY_TYPE", "k8s"),
    ("GUBER_K8S_NAMESPACE", "edge"),
    ("GUBER_K8S_POD_IP", "10.0.0.7"),
    ("GUBER_K8S_POD_PORT", "1052"),
    ("GUBER_K8S_SERVICE_NAME", "main-peers"),
    ("WICKETGATE_PEER_ADDRESS", ":1052"),
];

fn pod_with(others: &[(&'static str, &'static str)]) -> Pairs {
    let replaced = |name: &str| others.iter().any(|(other, _)| *other == name);
    let kept = POD.iter().filter(|(name, _)| !replaced(name));
    Pairs::from_iter(kept.chain(others).copied())
}

fn pod_problem(others: &[(&'static str, &'static str)]) -> String {
    Settings::read(&pod_with(others), None).expect_err("a problem").to_string()
}

#[test]
fn a_pod_is_known_by_its_address_and_port() {
    for (ip, own) in [("10.0.0.7", "10.0.0.7:1052"), ("FD00:0::7", "[fd00::7]:1052")] {
        let others = [("GUBER_K8S_POD_IP", ip), ("GUBER_ADVERTISE_ADDRESS", "elsewhere:1")];
        let (settings, warnings) = Settings::read(&pod_with(&others), None).expect("good");
        assert_eq!(settings.advertise_address.as_str(), own);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let Discovery::Kubernetes(kubernetes) = settings.discovery else {
            panic!("{:?}", settings.discovery)
        };
        assert_eq!((kubernetes.namespace.as_str(), kubernetes.pod_port), ("edge", 1052));
        assert_eq!(kubernetes.find, Find::Slices("main-peers".to_owned()));
    }
}

#[test]
fn pods_are_found_by_their_labels_under_either_name() {
    for selector in ["GUBER_K8S_SELECTOR", "GUBER_K8S_ENDPOINTS_SELECTOR"] {
        let pairs = pod_with(&[("GUBER_K8S_WATCH_MECHANISM", "pods"), (selector, "app=main")]);
        let (settings, _) = Settings::read(&pairs, None).expect("good");
        let Discovery::Kubernetes(kubernetes) = settings.discovery else {
            panic!("{:?}", settings.discovery)
        };
        assert_eq!(kubernetes.find, Find::Pods("app=main".to_owned()));
    }
    let pairs = pod_with(&[("GUBER_K8S_WATCH_MECHANISM", "endpoints")]);
    assert!(Settings::read(&pairs, None).is_ok());
}

#[test]
fn everything_that_kubernetes_lacks_is_told_at_once() {
    let text = problem([("GUBER_PEER_DISCOVERY_TYPE", "k8s")]);
    for said in [
        "GUBER_K8S_POD_IP is not set; take it from status.podIP",
        "GUBER_K8S_POD_PORT is not set",
        "GUBER_K8S_WATCH_MECHANISM endpointslices, but GUBER_K8S_SERVICE_NAME is not set",
    ] {
        assert!(text.contains(said), "{said}\nis not in\n{text}");
    }
    assert!(pod_problem(&[("GUBER_K8S_WATCH_MECHANISM", "pods")]).contains("GUBER_K8S_SELECTOR is not set"));
    assert!(pod_problem(&[("GUBER_K8S_POD_IP", "here")]).contains("is no IP address"));
    assert!(pod_problem(&[("WICKETGATE_PEERS", "a:1")]).contains("but GUBER_PEER_DISCOVERY_TYPE is k8s"));
}

#[test]
fn what_only_kubernetes_needs_is_warned_of_elsewhere() {
    let texts = warnings([("GUBER_K8S_POD_IP", "10.0.0.7"), ("GUBER_K8S_SELECTOR", "app=main")]);
    assert_eq!(
        texts,
        ["GUBER_K8S_POD_IP, GUBER_K8S_SELECTOR has no effect without GUBER_PEER_DISCOVERY_TYPE=k8s"]
    );
    assert!(warnings([("GUBER_K8S_NAMESPACE", "edge"), ("WICKETGATE_DOCUMENT", "main-document")]).is_empty());
}

#[test]
fn a_pod_must_serve_the_others_where_they_dial_it() {
    let shared = ("GUBER_K8S_POD_PORT", "1051");
    assert!(pod_problem(&[shared]).contains("or WICKETGATE_SHARE_PEER_PORT to true"));
    assert!(
        Settings::read(&pod_with(&[shared, ("WICKETGATE_SHARE_PEER_PORT", "true")]), None).is_ok(),
        "as Gubernator does it"
    );
    assert!(pod_problem(&[("GUBER_K8S_POD_PORT", "9")]).contains("give both the same port"));
    assert!(pod_problem(&[("WICKETGATE_PEER_ADDRESS", "localhost:1052")]).contains("set it to :1052"));
}

#[test]
fn a_document_is_named_and_may_be_mounted() {
    let named = ("WICKETGATE_DOCUMENT", "main-document");
    let folder = ("WICKETGATE_DOCUMENT_DIR", "/etc/wicketgate/document");
    let (settings, _) = Settings::read(&pod_with(&[named, folder]), None).expect("good");
    let document = settings.document.expect("it is named");
    assert_eq!((document.namespace.as_str(), document.name.as_str()), ("edge", "main-document"));
    assert_eq!(document.folder, Some(folder.1.into()));
    assert!(pod_problem(&[folder]).contains("set both or neither"));
    assert!(pod_problem(&[named, ("WICKETGATE_LIMITS", "x")]).contains("leave out one of the two"));
    assert!(pod_problem(&[("WICKETGATE_DOCUMENT", "a/b")]).contains("is no name of a ConfigMap"));
    assert!(Settings::read(&pod_with(&[]), None).expect("good").0.document.is_none());
}

#[test]
fn the_secrets_of_policies_are_in_one_secret() {
    let named = ("WICKETGATE_CREDENTIALS", "main-credentials");
    let credentials = Settings::read(&pod_with(&[named]), None).expect("good").0.credentials;
    let expected = CredentialsSource { namespace: "edge".to_owned(), name: named.1.to_owned() };
    assert_eq!(credentials, Some(expected));
    assert!(pod_problem(&[("WICKETGATE_CREDENTIALS", "a/b")]).contains("is no name of a Secret"));
    assert_eq!(Settings::read(&pod_with(&[]), None).expect("good").0.credentials, None);
}

#[test]
fn the_ring_is_gubernators_when_told_so() {
    let picker = ("GUBER_PEER_PICKER", "replicated-hash");
    let fnv1 = ("GUBER_PEER_PICKER_HASH", "fnv1");
    assert_eq!(settings([picker]).ring_hash, RingHash::Fnv1a);
    assert_eq!(settings([picker, fnv1]).ring_hash, RingHash::Fnv1);
    assert_eq!(settings([picker, fnv1, ("WICKETGATE_HASH", "XXH3")]).ring_hash, RingHash::Xxh3);
    assert_eq!(settings([("WICKETGATE_HASH", "fnv1")]).ring_hash, RingHash::Fnv1);
    assert_eq!(settings([fnv1]).ring_hash, RingHash::Xxh3);
    assert!(warnings([fnv1])[0].contains("has no effect without GUBER_PEER_PICKER"));
    assert!(problem([("GUBER_PEER_PICKER", "consistent-hash")]).contains("allowed: replicated-hash"));
    assert!(problem([("GUBER_REPLICATED_HASH_REPLICAS", "64")]).contains("allowed: 512"));
}

#[test]
fn a_time_zone_must_be_in_the_database() {
    assert!(read([("WICKETGATE_TIME_ZONE", "Europe/Berlin")]).is_ok());
    let text = problem([("WICKETGATE_TIME_ZONE", "Mars/Olympus")]);
    assert!(text.contains("which is no zone of the database; allowed: UTC or an IANA name"), "{text}");
}

#[test]
fn tls_is_refused_and_what_comes_later_is_warned_of() {
    let text = problem([("GUBER_TLS_CERT", "/tls.crt")]);
    assert!(text.contains("GUBER_TLS_CERT (environment) asks for TLS"), "{text}");
    let texts = warnings([
        ("GUBER_ETCD_PASSWORD", "hidden"),
        ("GUBER_FORCE_GLOBAL", "true"),
        ("OTEL_SERVICE_NAME", "x"),
    ]);
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(
        texts.iter().all(|text| text.contains("has no effect in this version") && !text.contains("hidden"))
    );
    assert!(problem([("GUBER_GLOBAL_TIMEOUT", "soon")]).contains("is not a duration"));
}

#[test]
fn debug_lowers_the_level_and_never_raises_it() {
    assert_eq!(settings([("GUBER_DEBUG", "1"), ("GUBER_LOG_LEVEL", "panic")]).log_level, Level::Debug);
    assert_eq!(settings([("GUBER_DEBUG", "1"), ("GUBER_LOG_LEVEL", "trace")]).log_level, Level::Trace);
    assert_eq!(settings([("GUBER_LOG_FORMAT", "JSON")]).log_format, Format::Json);
}

#[test]
fn threads_have_two_names() {
    assert_eq!(settings([("GUBER_WORKER_COUNT", "3")]).threads, 3);
    assert_eq!(settings([("GUBER_WORKER_COUNT", "3"), ("WICKETGATE_THREADS", "4")]).threads, 4);
    assert_eq!(warnings([("GUBER_WORKER_COUNT", "3"), ("WICKETGATE_THREADS", "4")]).len(), 1);
}

#[test]
fn an_address_of_every_interface_is_not_advertised() {
    let settings = settings([("GUBER_GRPC_ADDRESS", "0.0.0.0:1051")]);
    assert!(!settings.advertise_address.is_unspecified(), "{}", settings.advertise_address);
    assert_eq!(settings.advertise_address.port(), 1051);
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_a_problem() {
    use std::os::unix::ffi::OsStringExt as _;

    struct Bytes;
    impl Source for Bytes {
        fn entries(&self) -> Vec<Entry> {
            let value = std::ffi::OsString::from_vec(vec![0xff]);
            vec![Entry { name: "GUBER_DATA_CENTER".to_owned(), value, origin: Origin::Environment }]
        }
    }
    let text = Settings::read(&Bytes, None).expect_err("no text").to_string();
    assert!(text.contains("GUBER_DATA_CENTER (environment) is not UTF-8 text"), "{text}");
}

#[test]
fn health_reads_only_what_it_needs() {
    let health =
        HealthSettings::read(&Pairs::from([("GUBER_HTTP_ADDRESS", "a:80"), ("GUBER_BATCH_LIMIT", "x")]))
            .expect("good");
    assert_eq!((health.http_address.as_str(), health.retries), ("a:80", 1));
}
