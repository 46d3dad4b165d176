use std::{fs, path::Path};

use http::StatusCode;

use super::*;

fn shown(metrics: &Metrics, line: &str) -> bool {
    metrics.render().unwrap().lines().any(|shown| shown == line)
}

#[test]
fn a_reconcile_is_counted_however_it_ends() {
    let metrics = Metrics::new().unwrap();
    let running = metrics.reconcile(Kind::Limit);
    assert!(shown(&metrics, r#"wicketgate_operator_reconciles_in_flight{kind="RateLimit"} 1"#));
    running.end(Outcome::Error);
    drop(metrics.reconcile(Kind::Limit));
    for (outcome, count) in [("error", 1), ("dropped", 1), ("ok", 0)] {
        let line = format!(
            r#"wicketgate_operator_reconciles_total{{kind="RateLimit",outcome="{outcome}"}} {count}"#
        );
        assert!(shown(&metrics, &line), "{line}");
    }
    assert!(shown(&metrics, r#"wicketgate_operator_reconciles_in_flight{kind="RateLimit"} 0"#));
    assert!(shown(&metrics, r#"wicketgate_operator_reconcile_duration_seconds_count{kind="RateLimit"} 2"#));
}

#[test]
fn the_oldest_reconcile_is_known_while_it_runs() {
    let metrics = Metrics::new().unwrap();
    assert_eq!(metrics.oldest_reconcile(crate::clock::instant()), None);
    let first = metrics.reconcile(Kind::Cluster);
    let second = metrics.reconcile(Kind::Limit);
    let later = crate::clock::instant() + Duration::from_secs(60);
    let (kind, age) = metrics.oldest_reconcile(later).unwrap();
    assert!(kind == Kind::Cluster && age >= Duration::from_secs(60), "{kind:?} {age:?}");
    first.end(Outcome::Ok);
    assert_eq!(metrics.oldest_reconcile(later).unwrap().0, Kind::Limit);
    second.end(Outcome::Ok);
    assert_eq!(metrics.oldest_reconcile(later), None);
}

#[test]
fn requests_are_counted_by_verb_resource_and_code() {
    let metrics = Metrics::new().unwrap();
    let kind = RequestKind { verb: Verb::Patch, resource: "ratelimits/status".to_owned() };
    metrics.api_request(&kind, Code::Status(StatusCode::CONFLICT));
    metrics.api_request(&kind, Code::Error);
    for code in ["409", "error"] {
        let line = format!(
            r#"wicketgate_operator_api_requests_total{{code="{code}",resource="ratelimits/status",verb="patch"}} 1"#
        );
        assert!(shown(&metrics, &line), "{line}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_the_process_is_shown() {
    let metrics = Metrics::new().unwrap();
    metrics.watch_process().unwrap();
    let text = metrics.render().unwrap();
    let memory = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes ")).unwrap();
    assert!(memory.parse::<u64>().unwrap() > 1024 * 1024, "{memory}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_page_of_metrics_is_what_the_registry_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator-metrics.md");
    let page = render_docs().unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/operator-metrics.md differs: UPDATE=1 cargo test -p wicketgate-operator"
    );
}
