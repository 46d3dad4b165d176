//! What the daemon says of its policies, looked at ten times a second and kept, so that nothing which lasts a
//! second is missed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crds::report::{PATH, PodReport, PolicyReport};
use e2e::clock::await_some_within;
use e2e::http::Http;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::LONG;
use super::load::Load;

const EVERY: Duration = Duration::from_millis(100);

/// How the policy `hold` was at an instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Seconds since the watching began.
    pub(crate) at: f64,
    pub(crate) window: i64,
    pub(crate) in_flight: i64,
    pub(crate) allowance: f64,
    /// The signal's value; not a number before the first.
    pub(crate) signal: f64,
}

/// A watch; it ends when this is dropped.
pub(crate) struct Watch {
    http: Http,
    began: Instant,
    moments: Arc<Mutex<Vec<Moment>>>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
        if std::thread::panicking() {
            eprintln!("the last that was seen: {:?}", self.moments().last());
        }
    }
}

impl Watch {
    pub(crate) fn start(http: Http) -> Self {
        let (began, moments) = (Instant::now(), Arc::<Mutex<Vec<Moment>>>::default());
        let (asks, keeps) = (http.clone(), Arc::clone(&moments));
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(EVERY);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let report = policy(&asks, "hold").await;
                let at = began.elapsed().as_secs_f64();
                keeps.lock().expect("no poison").push(Moment {
                    at,
                    window: report.window,
                    in_flight: report.in_flight,
                    allowance: report.allowance.to_f64(),
                    signal: report.signals[0].value.map_or(f64::NAN, crds::decimal::Decimal::to_f64),
                });
            }
        });
        Self { http, began, moments, task }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// When a load began, by this clock.
    pub(crate) fn offset(&self, load: &Load) -> f64 {
        load.began().saturating_duration_since(self.began).as_secs_f64()
    }

    pub(crate) fn moments(&self) -> Vec<Moment> {
        self.moments.lock().expect("no poison").clone()
    }

    /// Waits for a moment after `from` that is so, and says when it was.
    pub(crate) async fn until(&self, what: &str, from: f64, is_so: impl Fn(&Moment) -> bool) -> f64 {
        await_some_within(LONG, what, async || {
            assert!(!self.task.is_finished(), "{what}: nobody watches any more");
            let moments = self.moments.lock().expect("no poison");
            moments.iter().find(|moment| moment.at >= from && is_so(moment)).map(|moment| moment.at)
        })
        .await
    }

    /// How a policy is now.
    pub(crate) async fn policy(&self, name: &str) -> PolicyReport {
        policy(&self.http, name).await
    }
}

async fn policy(http: &Http, name: &str) -> PolicyReport {
    let report: PodReport = serde_json::from_slice(&http.get(PATH).await.body).expect("a report");
    let found = report.policies.into_iter().find(|policy| policy.source.name == name);
    found.unwrap_or_else(|| panic!("the report names no policy {name}"))
}
