//! The window of three pods closes while the backend suffers and opens when it is well again, by what a real
//! Prometheus measures of it.

use std::time::{Duration, Instant};

use e2e::kube::awaiting::eventually;
use e2e::kube::backend::Backend;
use e2e::kube::callers::Callers;
use e2e::kube::connection::say;
use e2e::kube::daemons::{self, Daemon};
use e2e::kube::place::{Place, SOON};
use e2e::kube::policies::{self, reported};
use e2e::kube::prometheus::Prometheus;
use e2e::kube::tools::kubectl;
use futures_util::future::join;
use serde_json::json;

use super::story;

const PODS: usize = 3;
/// The backend bears four requests at once. More wait, and thirty are much too many.
const WORKERS: u32 = 4;
const MIN: i64 = 9;
const MAX: i64 = 30;
const EMERGENCY: i64 = 4;
/// Callers that are far more than the window, and so few that nobody suffers.
const MANY: usize = 48;
const FEW: usize = 2;
/// Numbers of a status are written ten seconds late at most.
const WRITTEN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn three_pods_share_a_window_that_closes_under_load_and_opens_after_it() {
    story("window", async |place| {
        place.cluster("main", json!({"replicas": PODS})).await;
        let backend = Backend::start(&place, "backend", WORKERS, 50);
        let prometheus = Prometheus::start(&place, &["backend:8081"]);
        let (backend, prometheus) = join(backend, prometheus).await;
        declare(&place, &prometheus).await;
        let callers = Callers::start(&place, "callers", "http://main:8080/").await;
        let daemons = daemons::all(&place, "main", PODS).await;
        daemons::one_ring(&daemons).await;
        policies::programmed(&place, "search").await;
        for (condition, status) in [("SignalsHealthy", "True"), ("Throttling", "False")] {
            place.condition((policies::KIND, "search"), (condition, status), SOON).await;
        }
        callers.set(FEW).await;
        opens(&daemons).await;

        closes(&place, &daemons, &callers).await;

        let began = Instant::now();
        callers.set(FEW).await;
        place.condition((policies::KIND, "search"), ("Throttling", "False"), SOON).await;
        let ended = began.elapsed();
        opens(&daemons).await;
        say(&format!(
            "load falls: Throttling is over {} ms later, and the window is {MAX} again {} ms later",
            ended.as_millis(),
            began.elapsed().as_millis()
        ));
        shows(&place, &format!("{MAX}/{MAX}"), MAX).await;

        eventually("an event tells that throttling has ended", SOON, async || {
            match policies::told(&place, "search", "ThrottlingEnded").await {
                0 => Err("none".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        for reason in ["ThrottlingStarted", "ThrottlingEnded"] {
            assert_eq!(policies::told(&place, "search", reason).await, 1, "{reason}");
        }
        let (tally, backend) = (callers.tally().await, backend.read().await);
        say(&format!(
            "window of {MIN} to {MAX} on {PODS} pods: {} answered, {} refused, the longest answer took {} ms; at most {} were at the backend",
            tally.of(200),
            tally.of(429),
            tally.longest_ms,
            backend.most
        ));
        assert_eq!(tally.failed(), 0, "{tally:?}");
        assert_eq!(tally.statuses.keys().copied().collect::<Vec<_>>(), [200, 429], "{tally:?}");
        assert!(backend.most > MIN && backend.most <= MAX, "{backend:?}");
    })
    .await;
}

async fn declare(place: &Place, prometheus: &Prometheus) {
    // The highest of the last seconds: a look between two requests is no recovery.
    let query = "max(max_over_time(backend_in_progress[3s])) / max(backend_workers)";
    let spec = json!({
        "window": {"min": MIN, "max": MAX},
        // Few callers shall open it again.
        "algorithm": {"type": "SignalCap", "growth": "Always"},
        "signals": [{"name": "saturation", "query": query, "warning": 1, "emergency": EMERGENCY}],
        "prometheus": {"url": prometheus.url(), "interval": "500ms", "timeout": "2s"},
    });
    policies::apply(place, "search", spec).await;
}

/// The window is as wide as it goes, each pod's part of it as wide as the others'.
async fn opens(daemons: &[Daemon]) {
    reported(daemons, "search", "the window is open", |reports| {
        reports.iter().all(|report| report.window == MAX / 3 && !report.throttling).then_some(())
    })
    .await;
}

/// Load comes, and the signal crosses both thresholds: the window is at its least on each pod, and so says the
/// status.
async fn closes(place: &Place, daemons: &[Daemon], callers: &Callers) {
    let began = Instant::now();
    callers.set(MANY).await;
    let emergency =
        reported(daemons, "search", "the signal is an emergency, and the window closed", |reports| {
            let closed = |report: &crds::report::PolicyReport| {
                let value = report.signals[0].value.map(|value| value.to_string())?;
                let value: f64 = value.parse().ok()?;
                (value >= EMERGENCY as f64 && report.allowance.to_string() == "0" && report.window == MIN / 3)
                    .then_some(value)
            };
            let values: Option<Vec<f64>> = reports.iter().map(closed).collect();
            values.map(|values| values[0])
        });
    let throttling = async {
        let condition = place.condition((policies::KIND, "search"), ("Throttling", "True"), SOON).await;
        assert!(condition.message.contains("by saturation"), "{}", condition.message);
        began.elapsed()
    };
    let ((value, closed), throttling) = join(async { (emergency.await, began.elapsed()) }, throttling).await;
    say(&format!(
        "load rises: the signal is {value} and the window at {MIN} on {PODS} pods {} ms later, Throttling {} ms later",
        closed.as_millis(),
        throttling.as_millis()
    ));
    shows(place, &format!("{MIN}/{MAX}"), MIN).await;
    let columns = kubectl(&["get", "-n", &place.namespace, "bpp", "search"]).await.ok();
    let row: Vec<&str> = columns.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..4], ["search", "main", "8080", &format!("{MIN}/{MAX}")], "{columns}");
    assert!(row[4].parse::<f64>().is_ok_and(|allowance| allowance < 0.5), "{columns}");
    assert_eq!(row[5..7], ["True", "True"], "{columns}");
    say(&format!("kubectl get bpp: {}", row.join("  ")));
}

/// Awaits that the status has this window, evenly on all pods.
async fn shows(place: &Place, summary: &str, total: i64) {
    let each = total / 3;
    place
        .seen((policies::KIND, "search"), &format!("shows {summary}"), WRITTEN, |object| {
            let status = &object.data["status"];
            let window = json!({"total": total, "min": each, "max": each});
            (status["summary"] == summary && status["window"] == window).then_some(())
        })
        .await;
}
