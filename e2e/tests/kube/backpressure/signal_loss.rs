//! Prometheus is killed: each policy does what it says that a lost signal does, and the status says why.

use std::time::{Duration, Instant};

use e2e::kube::backend::Backend;
use e2e::kube::connection::say;
use e2e::kube::daemons::{self, Daemon};
use e2e::kube::place::{PODS, Place, SOON};
use e2e::kube::policies::{self, reported, says};
use e2e::kube::prometheus::Prometheus;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::story;

/// Each with what remains of its window without Prometheus. The signal is between its thresholds: a quarter
/// is left while it is known.
const POLICIES: [(&str, &str, u16, Share); 3] = [
    ("hold", "Hold", 8081, Share::Cut),
    ("open", "Open", 8082, Share::All),
    ("closed", "Closed", 8083, Share::Nothing),
];
const STALENESS: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    All,
    Cut,
    Nothing,
}

impl Share {
    fn of(allowance: &str) -> Self {
        match allowance {
            "1" => Self::All,
            "0" => Self::Nothing,
            _ => Self::Cut,
        }
    }
}

fn spec(prometheus: &Prometheus, loss: &str, port: u16) -> Value {
    json!({
        "listener": {"port": port},
        "window": {"min": 2, "max": 100},
        "algorithm": {"type": "SignalCap"},
        "signals": [{"name": "load", "query": "vector(2)", "warning": 1, "emergency": 4}],
        "prometheus": {
            "url": prometheus.url(), "interval": "300ms", "timeout": "1s",
            "maxStaleness": format!("{}s", STALENESS.as_secs()), "onSignalLoss": loss,
        },
    })
}

/// Awaits that a pod has this share of a policy's window.
async fn has(daemons: &[Daemon], name: &str, share: Share) {
    reported(daemons, name, &format!("{share:?} of the window is left"), |reports| {
        (Share::of(&reports[0].allowance.to_string()) == share).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_lost_signal_holds_opens_or_closes_the_window_as_declared() {
    story("signal-loss", async |place| {
        place.cluster("main", json!({})).await;
        let (_backend, prometheus) =
            futures_util::future::join(Backend::start(&place, "backend", 4, 1), Prometheus::start(&place, &[]))
                .await;
        for (name, loss, port, _) in POLICIES {
            policies::apply(&place, name, spec(&prometheus, loss, port)).await;
        }
        let daemons = daemons::all(&place, "main", 1).await;
        for (name, ..) in POLICIES {
            says(&place, name, ("SignalsHealthy", "True", "SignalsFresh"), PODS).await;
            says(&place, name, ("Throttling", "True", "WindowCut"), SOON).await;
            has(&daemons, name, Share::Cut).await;
        }
        thresholds_move(&place, &daemons).await;

        let began = Instant::now();
        prometheus.kill().await;
        // The question has failed, and soon the signal is lost: which of both is seen first is chance.
        let unhealthy = place.condition((policies::KIND, "hold"), ("SignalsHealthy", "False"), SOON).await;
        assert!(unhealthy.message.starts_with("load on main-0: "), "{}", unhealthy.message);
        let failed = began.elapsed();
        join_all(POLICIES.map(async |(name, _, _, share)| {
            let lost = says(&place, name, ("SignalsHealthy", "False", "SignalLost"), SOON).await;
            assert!(lost.message.contains("silent for longer than maxStaleness"), "{}", lost.message);
            has(&daemons, name, share).await;
            let throttling = if share == Share::All { "False" } else { "True" };
            place.condition((policies::KIND, name), ("Throttling", throttling), SOON).await;
        }))
        .await;
        say(&format!(
            "Prometheus is killed: SignalsHealthy=False {} ms later, and lost in all three policies {} ms later",
            failed.as_millis(),
            began.elapsed().as_millis()
        ));

        prometheus.come().await;
        let began = Instant::now();
        for (name, ..) in POLICIES {
            says(&place, name, ("SignalsHealthy", "True", "SignalsFresh"), SOON).await;
            has(&daemons, name, Share::Cut).await;
            says(&place, name, ("Throttling", "True", "WindowCut"), SOON).await;
        }
        say(&format!("Prometheus is back: all signals are healthy {} ms later", began.elapsed().as_millis()));
    })
    .await;
}

/// Other thresholds count at once, with the value that is known.
async fn thresholds_move(place: &Place, daemons: &[Daemon]) {
    let change = |warning: u32, emergency: u32| {
        json!({"spec": {"signals": [
            {"name": "load", "query": "vector(2)", "warning": warning, "emergency": emergency},
        ]}})
    };
    let began = Instant::now();
    place.edit(policies::KIND, "hold", change(3, 4)).await;
    has(daemons, "hold", Share::All).await;
    say(&format!("thresholds change: in force {} ms later", began.elapsed().as_millis()));
    place.condition((policies::KIND, "hold"), ("Throttling", "False"), SOON).await;
    place.edit(policies::KIND, "hold", change(1, 4)).await;
    has(daemons, "hold", Share::Cut).await;
    place.condition((policies::KIND, "hold"), ("Throttling", "True"), SOON).await;
}
