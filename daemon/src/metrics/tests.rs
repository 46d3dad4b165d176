use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering::Relaxed},
};

use engine::aimd::{SignalStats, Thresholds};

use super::*;

#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let rendered = render_docs().expect("names are unique");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &rendered).expect("docs can be written");
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    assert!(page == rendered, "docs/metrics.md is old; run UPDATE=1 cargo test -p wicketgate-daemon");
}

#[test]
fn names_come_once() {
    let page = render_docs().expect("names are unique");
    let names: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for (index, line) in names.iter().enumerate() {
        let name = line.split('`').nth(1);
        assert!(names[..index].iter().all(|other| other.split('`').nth(1) != name), "{line}");
    }
}

#[test]
fn what_is_counted_is_shown() {
    let metrics = Metrics::new().expect("names are unique");
    metrics.checks_local.inc_by(1_000);
    metrics.grpc.get_rate_limits.record(true, Duration::from_micros(30));
    metrics.grpc.get_rate_limits.record(false, Duration::from_secs(20));
    metrics.peer("10.0.0.1:1051").retries.inc();
    let text = metrics.render().expect("it can be written");
    for line in [
        "gubernator_getratelimit_counter{calltype=\"local\"} 1000",
        "gubernator_grpc_request_counts{method=\"/pb.gubernator.V1/GetRateLimits\",status=\"failed\"} 1",
        "gubernator_grpc_request_counts{method=\"/pb.gubernator.V1/LiveCheck\",status=\"failed\"} 0",
        "gubernator_grpc_request_duration_bucket{method=\"/pb.gubernator.V1/GetRateLimits\",le=\"0.00005\"} 1",
        "gubernator_grpc_request_duration_count{method=\"/pb.gubernator.V1/GetRateLimits\"} 2",
        "gubernator_batch_send_retries{peerAddr=\"10.0.0.1:1051\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn what_is_gone_is_no_longer_shown() {
    let metrics = Metrics::new().expect("names are unique");
    metrics.audit_over_limit("old").inc();
    let _ = metrics.peer("10.0.0.1:1051");
    metrics.set_document_revision("6f1c2a9b");
    metrics.set_document_revision("00000000");
    metrics.forget_audit("old");
    metrics.forget_audit("never");
    metrics.forget_peer("10.0.0.1:1051");
    let text = metrics.render().expect("it can be written");
    assert!(text.contains("wicketgate_document_revision_info{revision=\"00000000\"} 1"), "{text}");
    for gone in ["6f1c2a9b", "limit=\"old\"", "10.0.0.1"] {
        assert!(!text.contains(gone), "{gone} is in\n{text}");
    }
}

#[test]
fn a_tables_figures_are_read_at_each_scrape() {
    let metrics = Metrics::new().expect("names are unique");
    let hits = Arc::new(AtomicU64::new(5));
    let read = Arc::clone(&hits);
    metrics
        .watch_table(move || TableReading { entries: 3, hits: read.load(Relaxed), ..TableReading::default() })
        .expect("it is the first");
    for total in [5, 8] {
        hits.store(total, Relaxed);
        let text = metrics.render().expect("it can be written");
        assert!(text.contains("gubernator_cache_size 3"), "{text}");
        assert!(text.contains(&format!("gubernator_cache_access_count{{type=\"hit\"}} {total}")), "{text}");
        assert!(text.contains("# TYPE gubernator_cache_access_count counter"), "{text}");
    }
}

#[test]
fn signals_are_shown_with_and_without_their_policy() {
    let stats = SignalStats { value: Some(1.5), age_micros: Some(2_500_000), lost: true, failures: 3 };
    let silent = SignalStats { value: None, age_micros: None, lost: false, failures: 4 };
    let reading = |policy: &str, thresholds, stats| SignalReading {
        policy: policy.to_owned(),
        name: "load".to_owned(),
        thresholds,
        stats,
    };
    let thresholds = Thresholds::new(10.0, 100.0, 4.0).ok();
    let readings = vec![reading("shop/a", thresholds, stats), reading("shop/b", None, silent)];
    let shown = Metrics::new().expect("names are unique");
    let (send, read) = (Arc::new(Mutex::new(readings.clone())), readings);
    let all = Arc::clone(&send);
    // The table's figures have no descriptions, and must not stand in the way.
    shown.watch_table(TableReading::default).expect("it is the first");
    shown.watch_signals(PolicyLabel::Shown, move || all.lock().unwrap().clone()).expect("it is the first");
    let text = shown.render().expect("it can be written");
    for line in [
        "proxymw_bp_query_warn{policy=\"shop/a\",query_name=\"load\"} 10",
        "proxymw_bp_query_emergency{policy=\"shop/a\",query_name=\"load\"} 100",
        "proxymw_bp_query_value{policy=\"shop/a\",query_name=\"load\"} 1.5",
        "proxymw_bp_query_error_count{policy=\"shop/b\",query_name=\"load\"} 4",
        "wicketgate_proxy_signal_age_seconds{policy=\"shop/a\",query_name=\"load\"} 2.5",
        "wicketgate_proxy_signal_lost{policy=\"shop/a\",query_name=\"load\"} 1",
        "wicketgate_proxy_signal_lost{policy=\"shop/b\",query_name=\"load\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    assert!(!text.contains("proxymw_bp_query_value{policy=\"shop/b\""), "{text}");
    assert!(shown.watch_signals(PolicyLabel::Shown, Vec::new).is_err(), "they are shown already");
    send.lock().unwrap().clear();
    assert!(!shown.render().expect("it can be written").contains("query_name"), "what is gone is not shown");

    let hidden = Metrics::new().expect("names are unique");
    hidden.watch_signals(PolicyLabel::Hidden, move || read.clone()).expect("it is the first");
    let text = hidden.render().expect("it can be written");
    assert!(text.contains("proxymw_bp_query_value{query_name=\"load\"} 1.5\n"), "{text}");
    // Signals of one name share what is counted, as in throttle-proxy.
    assert!(text.contains("proxymw_bp_query_error_count{query_name=\"load\"} 7\n"), "{text}");
    assert!(!text.contains("policy="), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_shown_when_asked_for() {
    let metrics = Metrics::new().expect("names are unique");
    assert!(!metrics.render().expect("it can be written").contains("gubernator_process_"));
    metrics.watch_process().expect("it is the first");
    assert!(metrics.render().expect("it can be written").contains("gubernator_process_open_fds"));
}

#[test]
fn two_nodes_in_one_process_count_apart() {
    let (one, two) = (Metrics::new().expect("unique"), Metrics::new().expect("unique"));
    one.over_limit.inc();
    assert_eq!((one.over_limit.get(), two.over_limit.get()), (1, 0));
}
