use std::{fs, path::Path, sync::Arc, sync::atomic::AtomicU64, sync::atomic::Ordering::Relaxed};

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
