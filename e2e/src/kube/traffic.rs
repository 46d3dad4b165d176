//! Requests from inside Kubernetes: a pod that sends a steady, bounded load to a cluster's Service.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, LogParams};
use proto::gubernator::RateLimitReq;
use serde::Deserialize;

use super::awaiting::{eventually, until};
use super::daemons::Daemon;
use super::place::{PODS, Place, SOON};
use super::restricted;

/// The image that runs `wicketgated`, in `charts/wicketgate/ci/testbed-values.yaml` too.
pub const IMAGE: &str = "docker.io/wicketgate/wicketgated:dev";
/// Calls a second, over all callers.
const RATE: &str = "100";
/// Keys that the load asks for.
const KEYS: &str = "50";
/// The limit and the window that its requests carry.
const LIMIT: i64 = 1_000_000;
const WINDOW: Duration = Duration::from_secs(3_600);

/// A load under way.
#[derive(Debug)]
pub struct Traffic {
    pods: Api<Pod>,
    name: String,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    /// Calls begun and ended.
    pub calls: u64,
    /// How long it went on.
    pub seconds: f64,
    /// Calls that failed as a whole.
    pub failed_calls: u64,
    /// Items that got an error.
    pub failed_items: u64,
    /// How often a call was sent once more, since no connection had taken it.
    pub sent_again: u64,
    /// The errors, with how often each came.
    pub errors: BTreeMap<String, u64>,
}

impl Report {
    /// Every call was answered, and there were some.
    ///
    /// # Panics
    /// When one was not.
    pub fn assert_flawless(&self) {
        assert!(self.calls > 0, "no call was made: {self:?}");
        assert_eq!((self.failed_calls, self.failed_items), (0, 0), "{self:?}");
    }
}

impl Traffic {
    /// Starts a load on the Service of `cluster` that ends by itself after `longest`.
    ///
    /// # Panics
    /// When its pod does not start.
    pub async fn start(place: &Place, cluster: &str, longest: Duration) -> Self {
        let name = format!("load-{cluster}");
        let address = format!("{cluster}.{}.svc:1051", place.namespace);
        let (longest, window) = (format!("{}s", longest.as_secs()), format!("{}s", WINDOW.as_secs()));
        let limit = LIMIT.to_string();
        let args = [
            "load",
            "--address",
            &address,
            "--allow-remote-target",
            "--wait",
            "60s",
            "--json",
            "--duration",
            &longest,
            "--rate",
            RATE,
            "--connections",
            "4",
            "--concurrency",
            "2",
            "--reconnect-every",
            "50",
            "--keys",
            KEYS,
            "--name",
            &name,
            "--limit",
            &limit,
            "--window",
            &window,
        ];
        run(place, &name, &args).await;
        Self { pods: place.typed(), name }
    }

    /// Awaits that calls are answered: one of the cluster's pods sees their hits.
    ///
    /// # Panics
    /// When it does not, in time.
    pub async fn flows(&self, daemon: &Daemon) {
        let request = RateLimitReq {
            name: self.name.clone(),
            unique_key: "account:0".to_owned(),
            limit: LIMIT,
            duration: i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX),
            ..RateLimitReq::default()
        };
        eventually("the load's hits are counted", PODS, async || {
            let answer = daemon.try_ask(request.clone()).await?;
            if answer.remaining < LIMIT { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
    }

    /// Ends the load now, and returns what came of it.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn stop(self) -> Report {
        let follow = LogParams { follow: true, ..LogParams::default() };
        let log = self.pods.log_stream(&self.name, &follow).await.expect("the load's log");
        let deleted = self.pods.delete(&self.name, &DeleteParams::default().grace_period(20)).await;
        deleted.unwrap_or_else(|error| panic!("delete pod {}: {error}", self.name));
        let lines = tokio::time::timeout(SOON, log.lines().try_collect::<Vec<_>>()).await;
        let lines = lines.expect("a load ends when it is told to").expect("the load's log");
        parse(lines.iter().map(String::as_str))
    }

    /// Awaits the load's own end, and returns what came of it.
    ///
    /// # Panics
    /// When it does not end within `deadline`, or does not say.
    pub async fn end(self, deadline: Duration) -> Report {
        ended(&self.pods, &self.name, deadline).await;
        let log = self.pods.logs(&self.name, &LogParams::default()).await.expect("the load's log");
        parse(log.lines())
    }
}

/// Awaits that a cluster's Service answers from inside Kubernetes: nodes take a second to learn of pods that
/// have become ready.
///
/// # Panics
/// When it does not, in time.
pub async fn reaches(place: &Place, cluster: &str) {
    let address = format!("{cluster}.{}.svc:1051", place.namespace);
    let ask = ["load", "--address", &address, "--allow-remote-target", "--wait", "60s", "--calls", "1"];
    let (code, log) = once(place, &format!("reach-{cluster}"), &ask).await;
    assert_eq!(code, 0, "{log}");
}

/// Runs `wicketgated` with these arguments in a pod, awaits its end, and returns its exit code and its log.
///
/// # Panics
/// When it does not start or end in time.
pub async fn once(place: &Place, name: &str, args: &[&str]) -> (i32, String) {
    run(place, name, args).await;
    let pods: Api<Pod> = place.typed();
    let code = ended(&pods, name, PODS).await;
    let log = pods.logs(name, &LogParams::default()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    (code, log)
}

async fn run(place: &Place, name: &str, args: &[&str]) {
    let pod = restricted::pod(name, IMAGE, args);
    // A namespace gets its service account a moment after it is made, and takes no pod before.
    eventually(&format!("pod {name} is made"), SOON, async || place.try_apply(pod.clone()).await).await;
}

/// Awaits the end of a pod's only container; returns its exit code.
async fn ended(pods: &Api<Pod>, name: &str, deadline: Duration) -> i32 {
    until(pods, name, &format!("pod {name} has ended"), deadline, |pod| {
        let status = pod.and_then(|pod| pod.status.as_ref());
        let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let state = containers.first().and_then(|container| container.state.as_ref());
        let ended = state.and_then(|state| state.terminated.as_ref()).map(|ended| ended.exit_code);
        ended.ok_or_else(|| format!("{state:?}"))
    })
    .await
}

/// The report is the only line that is a JSON object with these fields.
fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Report {
    let lines: Vec<&str> = lines.collect();
    let report = lines.iter().rev().find_map(|line| serde_json::from_str(line).ok());
    report.unwrap_or_else(|| panic!("the load says nothing:\n{}", lines.join("\n")))
}
