//! `docs/metrics.md`, rendered from what a registry really holds.

use std::{collections::BTreeSet, fmt::Write as _};

use engine::aimd::{SignalStats, Thresholds};
use prometheus::proto::{MetricFamily, MetricType};

use super::{DocumentOrigin, Metrics, PolicyLabel, SignalReading, TableReading};
use crate::proxy::upstream::UpstreamError;

const HEAD: &str = "\
# Metrics

<!-- Rendered from the registry (daemon/src/metrics); UPDATE=1 cargo test -p wicketgate-daemon writes it anew. -->

`GET /metrics` on `GUBER_HTTP_ADDRESS` answers in Prometheus' text format 0.0.4. Names are Gubernator's where it
has them, and throttle-proxy's (`proxymw_*`) with the policy as another label, so that their dashboards go on
working; what neither has begins with `wicketgate_`. No label holds what a caller can make.

## Where they differ from Gubernator's

- Its summaries are histograms of the same name: `_sum` and `_count` are as before, quantiles come from
  `histogram_quantile(0.99, sum by (le) (rate(NAME_bucket[5m])))` and, unlike before, over all nodes.
- `gubernator_batch_send_retries` is labelled by peer (`peerAddr`), not by the name in the request.
- `gubernator_command_counter` and `gubernator_worker_queue_length` are not there: buckets are changed under a
  lock a shard, without workers and their queues.
- `gubernator_func_duration` has the names of steps that exist here, and
  `gubernator_check_error_counter` the errors that can happen here.
- `gubernator_broadcast_*` and `gubernator_global_*` come with GLOBAL's local answers; in this version the owner
  decides every request.
- `gubernator_process_*` are shown with `os` in `GUBER_METRIC_FLAGS`, on Linux; `go_*` never.

## All of them

| Name | Type | Labels | Meaning |
|---|---|---|---|
";

/// The whole page.
///
/// # Errors
/// Where two metrics have one name.
pub fn render_docs() -> Result<String, prometheus::Error> {
    let metrics = Metrics::new()?;
    // A family without a child is not gathered.
    metrics.watch_table(TableReading::default)?;
    let _ = (metrics.peer("ADDRESS"), metrics.audit_over_limit("NAME"));
    metrics.set_document_revision("REVISION");
    metrics.watch_signals(PolicyLabel::Shown, || vec![signal()])?;
    for resource in ["endpointslices", "pods", "configmaps", "secrets"] {
        let _ = metrics.watch(resource);
    }
    metrics.set_document_origin(DocumentOrigin::Api);
    let policy = metrics.proxy.of("POLICY", ["ROUTE"].into_iter());
    for kind in UpstreamError::KINDS {
        let _ = policy.ours.as_ref().map(|ours| ours.upstream_error(kind));
    }
    let mut page = HEAD.to_owned();
    for family in metrics.registry.gather() {
        let (name, help, labels) = (family.name(), family.help(), labels(&family));
        let _ = writeln!(page, "| `{name}` | {} | {labels} | {help} |", kind(&family));
    }
    Ok(page)
}

/// A signal of which everything is shown.
fn signal() -> SignalReading {
    let stats = SignalStats { value: Some(0.0), age_micros: Some(0), lost: false, failures: 0 };
    let thresholds = Thresholds::new(0.0, 1.0, 0.0).ok();
    SignalReading { policy: "NAMESPACE/NAME".to_owned(), name: "NAME".to_owned(), thresholds, stats }
}

fn kind(family: &MetricFamily) -> &'static str {
    match family.get_field_type() {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram, s",
        _ => "other",
    }
}

/// Each label with the values that it has.
fn labels(family: &MetricFamily) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut values: Vec<BTreeSet<&str>> = Vec::new();
    for pair in family.get_metric().iter().flat_map(|metric| metric.get_label()) {
        let at = names.iter().position(|name| *name == pair.name()).unwrap_or_else(|| {
            names.push(pair.name());
            values.push(BTreeSet::new());
            names.len() - 1
        });
        // The version changes with every release, and this page shall not.
        values[at].insert(if pair.name() == "version" { "VERSION" } else { pair.value() });
    }
    let shown = names.iter().zip(&values).map(|(name, values)| {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        format!("{name}: {}", values.join(", "))
    });
    shown.collect::<Vec<_>>().join("; ")
}
