use super::*;

const WHOLE: &str = "
upstream: http://localhost:6999/base
insecure_listen_addr: :7777
internal_listen_addr: 127.0.0.1:7776
proxy_paths: [/api/v1/query, /t/]
passthrough_paths:
  - /api/v1/rules
proxy_read_timeout: 1h2m
proxy_write_timeout: 300ms
proxymw_config:
  enable_criticality: true
  enable_jitter: true
  jitter_delay: 1s
  enable_observer: true
  client_timeout: 10s
  blocker_config:
    enable_blocker: true
    block_patterns: [X-User-Agent=to-block.*]
  backpressure_config:
    enable_backpressure: true
    backpressure_monitoring_url: http://localhost:9090
    backpressure_queries:
      - {name: load, query: 'sum(rate(x[1m]))', warning_threshold: 0.2, emergency_threshold: 2}
      - query: up
        warning_threshold: 100
        emergency_threshold: 200
        throttling_curve: 8
    congestion_window_min: 1
    congestion_window_max: 10
    enable_low_cost_bypass: true
";

#[test]
fn every_key_of_the_original_is_read() {
    let (file, unknown) = parse(WHOLE).unwrap();
    assert_eq!(unknown, Vec::<String>::new());
    assert_eq!(
        (file.upstream.as_str(), file.insecure_listen_addr.as_str(), file.internal_listen_addr.as_str()),
        ("http://localhost:6999/base", ":7777", "127.0.0.1:7776")
    );
    assert_eq!(file.proxy_paths, ["/api/v1/query", "/t/"]);
    assert_eq!(file.passthrough_paths, ["/api/v1/rules"]);
    assert_eq!((file.proxy_read_timeout.as_str(), file.proxy_write_timeout.as_str()), ("1h2m", "300ms"));
    let chain = file.proxymw_config;
    assert!(chain.enable_criticality && chain.enable_jitter && chain.enable_observer);
    assert_eq!((chain.jitter_delay.as_str(), chain.client_timeout.as_str()), ("1s", "10s"));
    assert!(chain.blocker_config.enable_blocker);
    assert_eq!(chain.blocker_config.block_patterns, ["X-User-Agent=to-block.*"]);
    let bp = chain.backpressure_config;
    assert!(bp.enable_backpressure && bp.enable_low_cost_bypass);
    assert_eq!((bp.congestion_window_min, bp.congestion_window_max), (1, 10));
    assert_eq!(bp.backpressure_monitoring_url, "http://localhost:9090");
    let [load, up] = bp.backpressure_queries.as_slice() else { panic!("two queries") };
    assert_eq!((load.name.as_str(), load.warning_threshold, load.emergency_threshold), ("load", 0.2, 2.0));
    assert_eq!((up.name.as_str(), up.query.as_str(), up.throttling_curve), ("", "up", 8.0));
}

#[test]
fn absent_and_empty_sections_are_fine() {
    for text in ["upstream: http://u", "upstream: http://u\nproxymw_config:\nproxy_paths:\n# more\n", "{}"] {
        let (file, unknown) = parse(text).unwrap();
        assert_eq!(file, File { upstream: file.upstream.clone(), ..File::default() }, "{text}");
        assert_eq!(unknown, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn an_unknown_key_is_named_once_with_the_nearest() {
    let text = "
upstreem: http://u
proxymw_config:
  enable_observr: true
  backpressure_config:
    backpressure_queries:
      - {qeury: up, name: a}
      - {qeury: down}
";
    let (_, unknown) = parse(text).unwrap();
    assert_eq!(
        unknown,
        [
            "upstreem is no key and is ignored; did you mean upstream?",
            "proxymw_config.enable_observr is no key and is ignored; did you mean enable_observer?",
            "proxymw_config.backpressure_config.backpressure_queries[].qeury is no key and is ignored; did you mean query?",
        ]
    );
    let long = format!("{}: 1", "é".repeat(500));
    assert_eq!(parse(&long).unwrap().1.len(), 1);
}

#[test]
fn what_cannot_be_read_is_told_behind_the_originals_words() {
    let path = std::path::Path::new("/nowhere/at-all.yaml");
    let text = read(path).unwrap_err().to_string();
    assert!(text.starts_with("error opening config file: open /nowhere/at-all.yaml: "), "{text}");
    let text = read(std::path::Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(text.starts_with("error decoding YAML: /dev/zero is larger than the 1048576 bytes"), "{text}");
    for bad in [
        "",
        "# nothing\n",
        "upstream: [",
        "- a",
        "proxymw_config: 5",
        "proxy_paths: {a: b}",
        "proxymw_config: {enable_jitter: perhaps}",
    ] {
        let text = parse(bad).unwrap_err().to_string();
        assert!(text.starts_with("error decoding YAML: "), "{bad:?}: {text}");
    }
}

#[test]
fn a_bomb_is_refused_at_once() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(parse(&bomb).is_err());
    assert!(parse(&format!("upstream: {}", "[".repeat(10_000))).is_err());
}

#[test]
fn a_number_may_stand_for_a_text_and_nan_for_a_number() {
    let (file, _) = parse(
        "{proxy_read_timeout: 0, proxymw_config: {backpressure_config: {backpressure_queries: [{query: 1, warning_threshold: .nan}]}}}",
    )
    .unwrap();
    assert_eq!(file.proxy_read_timeout, "0");
    let query = &file.proxymw_config.backpressure_config.backpressure_queries[0];
    assert_eq!(query.query, "1");
    assert!(query.warning_threshold.is_nan());
}
