//! `docs/operator-metrics.md`, rendered from what a registry really holds.

use std::{collections::BTreeSet, fmt::Write as _};

use http::StatusCode;
use prometheus::proto::{MetricFamily, MetricType};

use super::{Code, Kind, Metrics, RequestKind, Verb};

const HEAD: &str = "\
# The operator's metrics

<!-- Rendered from the registry (operator/src/metrics); UPDATE=1 cargo test -p wicketgate-operator writes it anew. -->

`GET /metrics` on `WICKETGATE_ADMIN_ADDRESS` answers in Prometheus' text format 0.0.4. The replica that leads does
all the work; the others count requests for the lease and nothing else. No label holds what somebody else can
make: resources that the operator does not know share the label `other`.

Worth an alert: `sum(wicketgate_operator_leader) != 1` for a minute;
`rate(wicketgate_operator_reconcile_errors_total[5m]) > 0` for ten. While nobody changes anything,
`wicketgate_operator_api_requests_total` grows by the lease, which the leader updates and the others read every two
seconds, and by watches that are begun anew when their time is over, and by nothing else.

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
    for kind in Kind::ALL {
        metrics.reconcile_failed(kind, "REASON");
    }
    metrics.watch_restarted("RESOURCE");
    metrics.event("REASON");
    metrics.api_request(
        &RequestKind { verb: Verb::Get, resource: "RESOURCE".to_owned() },
        Code::Status(StatusCode::OK),
    );
    metrics.watch_process()?;
    let mut page = HEAD.to_owned();
    for family in metrics.registry.gather() {
        let (name, help, labels) = (family.name(), family.help(), labels(&family));
        let _ = writeln!(page, "| `{name}` | {} | {labels} | {help} |", kind(&family));
    }
    Ok(page)
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
    let mut labels: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for pair in family.get_metric().iter().flat_map(|metric| metric.get_label()) {
        // The version changes with every release, and this page shall not.
        let value = if pair.name() == "version" { "VERSION" } else { pair.value() };
        match labels.iter_mut().find(|(name, _)| *name == pair.name()) {
            Some((_, values)) => {
                values.insert(value);
            }
            None => labels.push((pair.name(), BTreeSet::from([value]))),
        }
    }
    let shown = labels.iter().map(|(name, values)| {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        format!("{name}: {}", values.join(", "))
    });
    shown.collect::<Vec<_>>().join("; ")
}
