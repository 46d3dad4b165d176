//! The pods of a RateLimitCluster, each asked by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::report::{PATH, PodReport};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::ListParams;
use proto::gubernator::{RateLimitReq, RateLimitResp};

use super::awaiting::eventually;
use super::forward::Forward;
use super::place::{PODS, Place, SOON};
use crate::grpc::Client;
use crate::http::Http;

/// The port of HTTP in the pods.
const HTTP: u16 = 1050;
/// The port of gRPC in the pods.
const GRPC: u16 = 1051;
/// How long one question through the API may take.
const ANSWER: Duration = Duration::from_secs(5);

/// One pod.
#[derive(Debug)]
pub struct Daemon {
    /// Its name.
    pub name: String,
    /// Its HTTP port.
    pub http: Http,
    grpc: Client,
    _forwards: [Forward; 2],
}

impl Daemon {
    /// Connects to a pod that serves.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn open(place: &Place, pod: &str) -> Self {
        let http = Forward::open(place.typed(), pod, HTTP).await;
        let grpc = Forward::open(place.typed(), pod, GRPC).await;
        let daemon = Self {
            name: pod.to_owned(),
            http: Http::new(http.address()),
            grpc: Client::connect(grpc.address()).await,
            _forwards: [http, grpc],
        };
        eventually(&format!("{pod} answers"), SOON, async || {
            daemon.grpc.live().await.map_err(|status| status.to_string())?;
            daemon.try_report().await
        })
        .await;
        daemon
    }

    /// Asks for `hits` of a declared limit.
    ///
    /// # Errors
    /// The call's status, or the item's error.
    pub async fn try_hit(&self, name: &str, key: &str, hits: i64) -> Result<RateLimitResp, String> {
        self.try_ask(RateLimitReq {
            name: name.to_owned(),
            unique_key: key.to_owned(),
            hits,
            ..RateLimitReq::default()
        })
        .await
    }

    /// Asks one request.
    ///
    /// # Errors
    /// The call's status, or the item's error.
    pub async fn try_ask(&self, request: RateLimitReq) -> Result<RateLimitResp, String> {
        let reply = tokio::time::timeout(ANSWER, self.grpc.try_hit(vec![request])).await;
        let reply = reply.map_err(|_| format!("{} is silent for {ANSWER:?}", self.name))?;
        let mut items = reply.map_err(|status| status.to_string())?;
        match items.pop() {
            Some(item) if item.error.is_empty() => Ok(item),
            Some(item) => Err(item.error),
            None => Err("an answer without items".to_owned()),
        }
    }

    /// Takes `hits` of a declared limit.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn hit(&self, name: &str, key: &str, hits: i64) -> RateLimitResp {
        self.try_hit(name, key, hits).await.unwrap_or_else(|why| panic!("{}: {name} {key}: {why}", self.name))
    }

    /// Awaits that the pod answers a question about a declared limit with this limit. It takes no hit.
    ///
    /// # Panics
    /// When it does not, in time.
    pub async fn declares(&self, name: &str, limit: i64) {
        let what = format!("{} answers {name} with a limit of {limit}", self.name);
        eventually(&what, SOON, async || {
            let answer = self.try_hit(name, "nobody", 0).await?;
            if answer.limit == limit { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
    }

    /// What the pod says of itself.
    ///
    /// # Errors
    /// Why it says nothing.
    pub async fn try_report(&self) -> Result<PodReport, String> {
        let reply = self.http.try_send(http::Method::GET, PATH, bytes::Bytes::new());
        let reply = tokio::time::timeout(ANSWER, reply).await;
        let reply = reply.map_err(|_| format!("{} is silent for {ANSWER:?}", self.name))??;
        serde_json::from_slice(&reply.body).map_err(|error| format!("{error}: {}", reply.text()))
    }
}

/// The pods of a cluster that are there, by name.
///
/// # Panics
/// When the API server does not say.
pub async fn pods(place: &Place, cluster: &str) -> Vec<Pod> {
    let labels = format!("app.kubernetes.io/component=daemon,app.kubernetes.io/instance={cluster}");
    let pods = place.typed::<Pod>().list(&ListParams::default().labels(&labels)).await;
    pods.unwrap_or_else(|error| panic!("list pods: {error}")).items
}

/// Awaits that there are exactly `count` pods of the cluster and that all of them are ready, and connects to
/// each.
///
/// # Panics
/// When there are not, in time.
pub async fn all(place: &Place, cluster: &str, count: usize) -> Vec<Daemon> {
    let names = ready(place, cluster, count).await;
    let mut daemons = Vec::new();
    for name in names {
        daemons.push(Daemon::open(place, &name).await);
    }
    daemons
}

/// Awaits that there are exactly `count` pods of the cluster and that all of them are ready.
///
/// # Panics
/// When there are not, in time.
pub async fn ready(place: &Place, cluster: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} pods of {cluster} are ready"), PODS, async || {
        let pods = pods(place, cluster).await;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        if ready == count && pods.len() == count {
            Ok(pods.iter().map(kube::ResourceExt::name_any).collect())
        } else {
            Err(format!("{ready} of {} pods are ready", pods.len()))
        }
    })
    .await
}

/// Whether a pod is ready and stays.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    pod.metadata.deletion_timestamp.is_none()
        && conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The pods' uids and how often their containers were started again: what stays the same while nothing
/// restarts.
pub async fn lives(place: &Place, cluster: &str) -> BTreeMap<String, (Option<String>, i32)> {
    let restarts = |pod: &Pod| {
        let status = pod.status.as_ref();
        let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        containers.iter().map(|container| container.restart_count).sum()
    };
    pods(place, cluster).await.iter().map(|pod| (pod.name_any(), (pod.uid(), restarts(pod)))).collect()
}

/// Awaits that all of these pods have one and the same ring of as many members.
///
/// # Panics
/// When they have not, in time.
pub async fn one_ring(daemons: &[Daemon]) {
    eventually("all pods have one ring", SOON, async || {
        let mut reports = Vec::new();
        for daemon in daemons {
            reports.push(daemon.try_report().await?);
        }
        let one = reports.iter().all(|report| {
            report.ring == reports[0].ring && usize::try_from(report.peers) == Ok(daemons.len())
        });
        if one { Ok(()) } else { Err(format!("{reports:?}")) }
    })
    .await;
}
