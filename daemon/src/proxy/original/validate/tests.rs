use engine::aimd::{Algorithm, Growth, MAX_WINDOW};

use super::*;
use crate::proxy::original::{SIGNAL_INTERVAL, config};

const GOOD: &str = "
upstream: http://localhost:6999/base/
insecure_listen_addr: :7777
proxy_paths: [/api/v1/query]
proxy_read_timeout: 5m
proxymw_config:
  enable_observer: true
  backpressure_config:
    enable_backpressure: true
    backpressure_monitoring_url: http://localhost:9090
    backpressure_queries: [{name: load, query: up, warning_threshold: 10, emergency_threshold: 100}]
    congestion_window_min: 1
    congestion_window_max: 10
";

fn load(text: &str) -> Result<Original, LoadError> {
    let (file, warnings) = config::parse(text)?;
    original("sample", &file, SIGNAL_INTERVAL, warnings)
}

fn good(from: &str, to: &str) -> Original {
    assert!(GOOD.contains(from), "{from}");
    load(&GOOD.replace(from, to)).unwrap()
}

/// The lines about [`GOOD`] with one part in place of another; notes are left out.
fn faults(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    let text = load(&GOOD.replace(from, to)).unwrap_err().to_string();
    text.lines().filter(|line| !line.starts_with("note: ")).map(str::to_owned).collect()
}

const CHAIN: &str = "failed to create proxymw Routes: failed to validate middleware config: ";

#[track_caller]
fn assert_bp(from: &str, to: &str, text: &str) {
    assert_eq!(faults(from, to), [format!("{CHAIN}backpressure config: {text}")]);
}

#[test]
fn a_good_file_becomes_a_policy() {
    let original = load(GOOD).unwrap();
    assert_eq!(original.warnings, Vec::<String>::new());
    assert_eq!((original.listen.as_str(), original.internal), (":7777", None));
    assert!(original.backpressure && original.observed);
    assert_eq!((original.read_timeout, original.write_timeout), (Some(Duration::from_secs(300)), None));
    let policy = original.policy;
    assert_eq!(policy.label(), "throttle-proxy/sample");
    assert_eq!(policy.voice, Voice::Original);
    let target =
        Target::Url { tls: None, host: "localhost".into(), port: 6999, base_path: "/base".to_owned() };
    assert_eq!(policy.upstream.target, target);
    let [window] = policy.windows.as_slice() else { panic!("one window") };
    assert_eq!((window.settings.algorithm, window.shared), (Algorithm::SignalCap, false));
    assert_eq!((window.settings.bounds.min(), window.settings.bounds.max()), (1, 10));
    assert_eq!(window.settings.growth, Growth::WhenBusy);
    let prometheus = policy.signals.prometheus.unwrap();
    assert_eq!(prometheus.url, "http://localhost:9090");
    assert_eq!((prometheus.interval.as_secs(), prometheus.timeout.as_secs()), (30, 15));
    assert_eq!(policy.signals.max_staleness.as_secs(), 120);
    assert_eq!(policy.signals.signals.len(), 1);
    assert!(policy.criticality.is_none() && policy.block.is_empty() && policy.promql_horizon.is_none());
    assert_eq!(policy.jitter.max, Duration::ZERO);
}

#[test]
fn the_client_s_timeout_is_twice_the_reading_s_unless_given() {
    let request = |from, to| good(from, to).policy.timeouts.request;
    assert_eq!(request("upstream", "upstream"), Some(Duration::from_secs(600)));
    assert_eq!(request("proxy_read_timeout: 5m", "proxy_read_timeout: 0"), None);
    assert_eq!(request("enable_observer: true", "client_timeout: 1500ms"), Some(Duration::from_millis(1500)));
    assert_eq!(request("enable_observer: true", "client_timeout: -1s"), None);
    assert_eq!(
        request("proxy_read_timeout: 5m", "{proxy_read_timeout: 5m}".trim_matches(['{', '}'])),
        Some(Duration::from_secs(600))
    );
    let short = good("proxy_read_timeout: 5m", "proxy_read_timeout: 5m\nproxy_write_timeout: 10s");
    assert_eq!(short.policy.timeouts.request, Some(Duration::from_secs(10)));
    assert_eq!(short.write_timeout, Some(Duration::from_secs(10)));
}

#[test]
fn without_backpressure_nothing_moves_the_window() {
    let original = good("enable_backpressure: true", "enable_low_cost_bypass: true");
    assert!(!original.backpressure);
    let [window] = original.policy.windows.as_slice() else { panic!("one window") };
    assert_eq!((window.settings.algorithm, window.settings.bounds.min()), (Algorithm::Fixed, MAX_WINDOW));
    assert!(original.policy.signals.signals.is_empty() && original.policy.signals.prometheus.is_none());
    assert_eq!(original.policy.promql_horizon, None);
}

#[test]
fn switches_turn_the_chain_s_links_on() {
    let links = "enable_criticality: true
  enable_jitter: true
  jitter_delay: 1s
  blocker_config: {enable_blocker: true, block_patterns: [x-a=1, x-a=2]}";
    let original = good("enable_observer: true", links);
    assert!(!original.observed);
    let policy = original.policy;
    assert_eq!(policy.criticality.unwrap(), "x-request-criticality");
    assert_eq!(policy.jitter.max, Duration::from_secs(1));
    assert!(!policy.jitter.only_when_throttled);
    assert_eq!(policy.jitter.max_can_wait, Duration::from_secs(30));
    for value in [&b"1"[..], b"2"] {
        assert!(policy.block.find(|name| name.eq_ignore_ascii_case("X-A").then_some(value)).is_some());
    }
    let bypass =
        good("enable_backpressure: true", "enable_backpressure: true\n    enable_low_cost_bypass: true");
    assert_eq!(bypass.policy.promql_horizon, Some(7_200_000));
}

#[test]
fn an_empty_listen_address_is_a_free_port_everywhere() {
    let original = good("insecure_listen_addr: :7777", "internal_listen_addr: 127.0.0.1:7776");
    assert_eq!((original.listen.host(), original.listen.port()), ("", 0));
    assert_eq!(original.policy.listener.host.as_deref(), Some(""));
    assert_eq!(original.internal.unwrap().as_str(), "127.0.0.1:7776");
}

#[test]
fn an_upstream_that_is_none_is_told_in_the_originals_words() {
    for url in ["", "localhost:6999", "ftp://u"] {
        assert_eq!(
            faults("http://localhost:6999/base/", &format!("'{url}'")),
            [format!(
                "failed to parse upstream URL: invalid scheme for upstream URL \"{url}\", only 'http' and 'https' are supported"
            )]
        );
    }
    for url in ["http://", "http:///x", "http://u/?a=b", "http://u:port"] {
        let lines = faults("http://localhost:6999/base/", &format!("'{url}'"));
        assert!(lines.len() == 1 && lines[0].starts_with("failed to parse upstream URL: "), "{lines:?}");
    }
}

#[test]
fn no_queries_are_told() {
    assert_bp(
        "[{name: load, query: up, warning_threshold: 10, emergency_threshold: 100}]",
        "[]",
        "must provide at least one backpressure query when backpressure is enabled",
    );
}

#[test]
fn an_empty_query_is_told() {
    assert_bp("query: up", "query: ''", "empty backpressure query");
}

#[test]
fn a_quoted_query_is_told() {
    assert_bp("query: up", "query: \"'up'\"", "backpressure PromQL cannot be wrapped in quotes");
    assert_bp("query: up", "query: '\"up\"'", "backpressure PromQL cannot be wrapped in quotes");
}

#[test]
fn a_negative_curve_is_told_before_the_thresholds() {
    assert_bp(
        "warning_threshold: 10",
        "throttling_curve: -1, warning_threshold: -1",
        "throttle curve cannot be negative",
    );
}

#[test]
fn negative_thresholds_are_told() {
    assert_bp(
        "warning_threshold: 10",
        "warning_threshold: -1",
        "backpressure query thresholds cannot be negative",
    );
    assert_bp(
        "emergency_threshold: 100",
        "emergency_threshold: -1",
        "backpressure query thresholds cannot be negative",
    );
}

#[test]
fn an_emergency_that_is_not_above_the_warning_is_told() {
    assert_bp(
        "emergency_threshold: 100",
        "emergency_threshold: 10",
        "emergency threshold must be > warn threshold",
    );
    let text =
        load(&GOOD.replace("emergency_threshold: 100", "emergency_threshold: 10")).unwrap_err().to_string();
    assert!(
        text.ends_with(
            "\nnote: proxymw_config.backpressure_config.backpressure_queries[0] has warning_threshold 10 and emergency_threshold 10; raise the emergency"
        ),
        "{text}"
    );
}

#[test]
fn a_threshold_that_is_no_number_is_refused() {
    for key in ["warning_threshold: 10", "emergency_threshold: 100"] {
        let name = key.split(':').next().unwrap();
        for value in [".nan", ".inf"] {
            let lines = faults(key, &format!("{name}: {value}"));
            assert!(lines[0].starts_with(&format!("{CHAIN}backpressure config: ")), "{lines:?}");
        }
    }
    let lines = faults("warning_threshold: 10", "throttling_curve: .nan, warning_threshold: 10");
    assert!(lines[0].contains("curve is NaN"), "{lines:?}");
}

#[test]
fn a_monitoring_address_that_cannot_be_asked_is_told() {
    for url in ["localhost", "ftp://p", "http://p?x=1", "http://"] {
        let lines = faults("http://localhost:9090", &format!("'{url}'"));
        assert!(
            lines[0].starts_with(&format!("{CHAIN}backpressure config: invalid monitoring URL: ")),
            "{lines:?}"
        );
    }
}

#[test]
fn an_empty_monitoring_address_is_fine_and_warned_of() {
    let original = good("http://localhost:9090", "''");
    assert!(original.policy.signals.prometheus.is_none() && original.policy.signals.signals.is_empty());
    assert!(original.warnings[0].contains("backpressure_monitoring_url is empty"), "{:?}", original.warnings);
}

#[test]
fn windows_that_cannot_be_are_told() {
    assert_bp("congestion_window_min: 1", "congestion_window_min: 0", "backpressure min window < 1");
    assert_bp(
        "congestion_window_min: 1",
        "congestion_window_min: 11",
        "backpressure max window <= min window",
    );
    let fixed = good("congestion_window_min: 1", "congestion_window_min: 10");
    assert_eq!(fixed.policy.windows[0].settings.bounds.min(), 10);
    let lines = faults("congestion_window_max: 10", "congestion_window_max: 9999999");
    assert!(lines[0].contains("backpressure max window is 9999999"), "{lines:?}");
}

#[test]
fn block_patterns_that_are_none_are_told() {
    let told = |pattern: &str| {
        let to = format!("blocker_config: {{enable_blocker: true, block_patterns: [ok=1, '{pattern}']}}");
        faults("enable_observer: true", &to)
    };
    assert_eq!(
        told("header"),
        [format!("{CHAIN}blocker config: pattern \"header\" did not match `<header>=<regex>`")]
    );
    assert_eq!(
        told("=value.*here"),
        [format!("{CHAIN}blocker config: header is empty for pattern \"=value.*here\"")]
    );
    for pattern in ["h=(", "=("] {
        let lines = told(pattern);
        assert!(lines[0].starts_with(&format!("{CHAIN}blocker config: pattern \"(\" is not")), "{lines:?}");
    }
    good("enable_observer: true", "blocker_config: {enable_blocker: false, block_patterns: ['(']}");
    good("enable_observer: true", "blocker_config: {enable_blocker: true}");
}

#[test]
fn jitter_without_a_delay_is_told_and_so_is_a_negative_one() {
    assert_eq!(
        faults("enable_observer: true", "enable_jitter: true"),
        [format!("{CHAIN}delay must be non-empty when jitter is enabled")]
    );
    let text = load(&GOOD.replace("enable_observer: true", "enable_jitter: true\n  jitter_delay: -1s"));
    assert_eq!(
        text.unwrap_err().to_string(),
        format!(
            "{CHAIN}delay cannot be negative when jitter is enabled\nnote: proxymw_config.jitter_delay is -1s; write the longest delay, such as 1s"
        )
    );
    good("enable_observer: true", "jitter_delay: -1s");
}

#[test]
fn all_sections_are_told_together_in_the_originals_order() {
    let text = "
upstream: u
proxy_paths: [/a, /a]
proxymw_config:
  enable_jitter: true
  blocker_config: {enable_blocker: true, block_patterns: [x]}
  backpressure_config: {enable_backpressure: true}
";
    let text = load(text).unwrap_err().to_string();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("note: ")).collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].starts_with("failed to parse upstream URL: "));
    assert_eq!(
        lines[1..4],
        [
            format!(
                "{CHAIN}backpressure config: must provide at least one backpressure query when backpressure is enabled"
            ),
            "blocker config: pattern \"x\" did not match `<header>=<regex>`".to_owned(),
            "delay must be non-empty when jitter is enabled".to_owned(),
        ]
    );
    assert!(lines[4].starts_with("failed to create proxymw Routes: proxy_paths[1]"));
}

#[test]
fn durations_and_addresses_name_their_key() {
    assert_eq!(
        faults("proxy_read_timeout: 5m", "proxy_read_timeout: 30"),
        [
            "error decoding YAML: proxy_read_timeout: time: missing unit in duration \"30\"; write one such as 30s or 1h2m"
        ]
    );
    let lines = faults("enable_observer: true", "jitter_delay: soon");
    assert!(
        lines[0].starts_with("error decoding YAML: proxymw_config.jitter_delay: time: invalid"),
        "{lines:?}"
    );
    assert_eq!(
        faults(":7777", "localhost"),
        ["insecure_listen_addr is \"localhost\", which has no port; write host:port or :port"]
    );
}

#[test]
fn a_misspelt_key_is_told_beside_what_is_wrong() {
    let lines = faults("upstream", "upstreem");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1], "warning: upstreem is no key and is ignored; did you mean upstream?");
}

#[test]
fn the_interval_of_the_signals_can_be_told() {
    let (file, warnings) = config::parse(GOOD).unwrap();
    let slow = original("sample", &file, Duration::from_secs(600), warnings).unwrap();
    assert_eq!(slow.policy.signals.prometheus.unwrap().interval.as_secs(), 600);
    assert!(slow.policy.signals.max_staleness.as_secs() > 1_200);
}
