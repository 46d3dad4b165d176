//! BackpressurePolicies: how they are declared, what the pods and the status say of them, and their ports.

use std::net::SocketAddr;
use std::time::Duration;

use crds::report::PolicyReport;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::awaiting::eventually;
use super::daemons::Daemon;
use super::forward::Forward;
use super::objects::{Condition, api_version, condition};
use super::place::{Place, SOON, lay_over};
use crate::http::Http;

/// The kind.
pub const KIND: &str = "BackpressurePolicy";

/// A policy of the cluster `main` before the Service `backend`, on port 8080, whose window is always 100 wide;
/// `spec` says the rest, and wins.
pub fn policy(name: &str, spec: Value) -> Value {
    let mut whole = json!({
        "clusterRef": {"name": "main"},
        "listener": {"port": 8080},
        "upstream": {"service": {"name": "backend", "port": 80}},
        "window": {"min": 1, "max": 100},
        "algorithm": {"type": "Fixed"},
    });
    lay_over(&mut whole, spec);
    json!({"apiVersion": api_version(KIND), "kind": KIND, "metadata": {"name": name}, "spec": whole})
}

/// Applies [`policy`].
///
/// # Panics
/// When the API server does not take it.
pub async fn apply(place: &Place, name: &str, spec: Value) -> DynamicObject {
    place.apply(policy(name, spec)).await
}

/// Awaits that every ready pod serves a policy as it is now, by its status.
///
/// # Panics
/// When none does, for too long.
pub async fn programmed(place: &Place, name: &str) {
    place.condition((KIND, name), ("Programmed", "True"), SOON).await;
}

/// Awaits a condition by its status and its reason, of the policy as it is now.
///
/// # Panics
/// When it does not come within `deadline`.
pub async fn says(
    place: &Place,
    name: &str,
    (kind, status, reason): (&str, &str, &str),
    deadline: Duration,
) -> Condition {
    let what = format!("says {kind}={status}, {reason}");
    place
        .seen((KIND, name), &what, deadline, |object| {
            condition(object, kind).filter(|found| {
                (found.status.as_str(), found.reason.as_str()) == (status, reason)
                    && found.generation == object.metadata.generation
            })
        })
        .await
}

/// How often events of this reason have been told of a policy.
///
/// # Panics
/// When the API server does not say.
pub async fn told(place: &Place, name: &str, reason: &str) -> i64 {
    let events = place.api("Event").list(&Default::default()).await;
    let events = events.unwrap_or_else(|error| panic!("list events: {error}"));
    let about = |event: &&DynamicObject| {
        event.data["reason"] == reason
            && event.data["regarding"]["kind"] == KIND
            && event.data["regarding"]["name"] == name
    };
    // An event that comes again is a series.
    let times = |event: &DynamicObject| event.data["series"]["count"].as_i64().unwrap_or(1);
    events.items.iter().filter(about).map(times).sum()
}

/// What one pod reports of a policy.
///
/// # Errors
/// Why it reports nothing.
pub async fn report(daemon: &Daemon, name: &str) -> Result<PolicyReport, String> {
    let report = daemon.try_report().await?;
    let found = report.policies.into_iter().find(|policy| policy.source.name == name);
    found.ok_or_else(|| format!("{} does not know the policy {name}", daemon.name))
}

/// Awaits that the reports of these pods on a policy are as `look` wants them.
///
/// # Panics
/// When they are not, in time.
pub async fn reported<T>(
    daemons: &[Daemon],
    name: &str,
    what: &str,
    look: impl Fn(&[PolicyReport]) -> Option<T>,
) -> T {
    eventually(&format!("the policy {name} on {} pods: {what}", daemons.len()), SOON, async || {
        let mut reports = Vec::new();
        for daemon in daemons {
            reports.push(report(daemon, name).await?);
        }
        look(&reports).ok_or_else(|| format!("{reports:?}"))
    })
    .await
}

/// The port of a policy on one pod.
#[derive(Debug)]
pub struct Entry {
    /// A client of it.
    pub http: Http,
    forward: Forward,
}

impl Entry {
    /// Of this pod; whether it answers shows when it is asked.
    ///
    /// # Panics
    /// When no port of this machine is free.
    pub async fn open(place: &Place, pod: &str, port: u16) -> Self {
        let forward = Forward::open(place.typed(), pod, port).await;
        Self { http: Http::new(forward.address()), forward }
    }

    /// Where it is on this machine.
    pub fn address(&self) -> SocketAddr {
        self.forward.address()
    }

    /// The status of an answer to GET.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn status(&self, path: &str) -> Result<u16, String> {
        let reply = self.http.try_send(http::Method::GET, path, bytes::Bytes::new()).await;
        reply.map(|reply| reply.status.as_u16())
    }

    /// Awaits that an answer has this status.
    ///
    /// # Panics
    /// When none has, in time.
    pub async fn answers(&self, path: &str, status: u16) {
        eventually(&format!("{path} is answered with {status}"), SOON, async || {
            let found = self.status(path).await?;
            if found == status { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }
}
