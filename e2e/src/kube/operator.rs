//! The operator's pods, and what they measure of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use super::awaiting::eventually;
use super::daemons::is_ready;
use super::forward::Forward;
use super::installation::{NAMESPACE, OPERATOR};
use crate::http::Http;

/// The port of the operator's metrics.
const ADMIN: u16 = 8080;
/// A leader that was killed keeps its lease for ten seconds, and others look every two.
const ELECTION: Duration = Duration::from_secs(45);

/// The operator's pods.
pub fn pods(client: &Client) -> Api<Pod> {
    Api::namespaced(client.clone(), NAMESPACE)
}

/// Awaits that a pod which is ready leads, other than `not`, and returns its name.
///
/// # Panics
/// When there is none, in time.
pub async fn leader(client: &Client, not: Option<&str>) -> String {
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    let pods = pods(client);
    eventually("an operator leads", ELECTION, async || {
        let lease = leases.get(OPERATOR).await.map_err(|error| error.to_string())?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        let pod = pods.get_opt(&holder).await.map_err(|error| error.to_string())?;
        match pod {
            Some(pod) if is_ready(&pod) && Some(holder.as_str()) != not => Ok(holder),
            _ => Err(format!("the lease is held by {holder:?}")),
        }
    })
    .await
}

/// The names of all the operator's pods that are ready.
///
/// # Panics
/// When the API server does not say.
pub async fn replicas(client: &Client) -> Vec<String> {
    let labels = ListParams::default().labels("app.kubernetes.io/component=operator");
    let pods = pods(client).list(&labels).await.unwrap_or_else(|error| panic!("list pods: {error}"));
    pods.items.iter().filter(|pod| is_ready(pod)).map(kube::ResourceExt::name_any).collect()
}

/// The metrics of one of the operator's pods.
#[derive(Debug)]
pub struct Metrics {
    http: Http,
    _forward: Forward,
}

/// What was measured at one time: the values by series, as Prometheus writes them.
#[derive(Clone, Debug)]
pub struct Reading(BTreeMap<String, f64>);

impl Metrics {
    /// Those of this pod.
    pub async fn of(client: &Client, pod: &str) -> Self {
        let forward = Forward::open(pods(client), pod, ADMIN).await;
        Self { http: Http::new(forward.address()), _forward: forward }
    }

    /// Reads all of them.
    ///
    /// # Panics
    /// When the pod does not answer.
    pub async fn read(&self) -> Reading {
        let text = self.http.get("/metrics").await.text();
        let series = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        Reading(text.lines().filter(|line| !line.starts_with('#')).filter_map(series).collect())
    }
}

impl Reading {
    /// One series; 0 where there is none.
    pub fn value(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or_default()
    }

    /// Requests to the API server, by `verb resource`.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        let mut requests = BTreeMap::new();
        for (series, value) in &self.0 {
            let Some(labels) = series.strip_prefix("wicketgate_operator_api_requests_total{") else {
                continue;
            };
            let label = |name: &str| {
                let (_, rest) = labels.split_once(&format!("{name}=\""))?;
                rest.split_once('"').map(|(value, _)| value)
            };
            let key =
                format!("{} {}", label("verb").unwrap_or_default(), label("resource").unwrap_or_default());
            // Counts are whole and small.
            *requests.entry(key).or_default() += *value as u64;
        }
        requests
    }

    /// Requests to the API server since `before`, by `verb resource`; those of which there were some.
    pub fn requests_since(&self, before: &Self) -> BTreeMap<String, u64> {
        let before = before.requests();
        let grown = |(key, count): (String, u64)| {
            let more = count.saturating_sub(before.get(&key).copied().unwrap_or_default());
            (more > 0).then_some((key, more))
        };
        self.requests().into_iter().filter_map(grown).collect()
    }
}

/// The end of the log of one of the operator's pods.
pub async fn log(client: &Client, pod: &str, lines: i64) -> String {
    let tail = kube::api::LogParams { tail_lines: Some(lines), ..Default::default() };
    pods(client).logs(pod, &tail).await.unwrap_or_else(|error| error.to_string())
}

/// The names of the operator's pods that are there, ready or not.
pub async fn all(client: &Client) -> Vec<String> {
    let labels = ListParams::default().labels("app.kubernetes.io/component=operator");
    let pods = pods(client).list(&labels).await;
    pods.map(|pods| pods.items.iter().map(|pod| pod.name_any()).collect()).unwrap_or_default()
}
