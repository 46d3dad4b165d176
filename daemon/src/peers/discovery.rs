//! Finds the ring's nodes through the Kubernetes API, and follows them as they come and go.

mod members;

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::Tick;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Config;
use kube::{Api, Client};

use self::members::{of_pods, of_slices};
use super::{Named, Roster};
use crate::api::{self, Failure, FailureKind, PATIENCE, Told};
use crate::clock;
use crate::node::Awaited;
use crate::settings::{Address, Find, Kubernetes};

/// The label by which a Service's slices are known.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// Keeps the ring of `roster`'s node as the API says it is, for ever.
///
/// The API server may be away: the ring then stays as it was. A node that starts meanwhile waits a few
/// seconds for a first answer, and then serves with the ring that it has.
pub async fn run(client: Client, settings: Kubernetes, roster: Roster) {
    let Kubernetes { namespace, find, pod_ip, pod_port } = settings;
    let metrics = |resource| roster.node().metrics().watch(resource);
    let follower = Follower::new(&roster, pod_port);
    let patience = async {
        tokio::time::sleep(PATIENCE).await;
        follower.go_on_without();
    };
    match find {
        Find::Slices(service) => {
            let slices = Api::namespaced(client, &namespace);
            let config = Config::default().labels(&format!("{SERVICE_LABEL}={service}"));
            let metrics = metrics("endpointslices");
            let tell = |told: Told<'_, EndpointSlice>| match told {
                Told::All(slices) => follower.take(&of_slices(slices.values(), pod_ip)),
                Told::Failed(failure) => follower.failed(failure),
            };
            tokio::join!(api::watch("endpointslices", slices, config, &metrics, tell), patience);
        }
        Find::Pods(selector) => {
            let pods = Api::namespaced(client, &namespace);
            let config = Config::default().labels(&selector);
            let metrics = metrics("pods");
            let tell = |told: Told<'_, Pod>| match told {
                Told::All(pods) => follower.take(&of_pods(pods.values(), pod_ip)),
                Told::Failed(failure) => follower.failed(failure),
            };
            tokio::join!(api::watch("pods", pods, config, &metrics, tell), patience);
        }
    }
}

/// Puts what is found in force.
struct Follower<'a> {
    roster: &'a Roster,
    port: u16,
    started: Tick,
    /// Whether the server's last word was that we may not ask: then waiting does not help, a person
    /// must, and a node that counts for itself beside the others would only hide that.
    refused: AtomicBool,
    last: Mutex<Last>,
}

/// What was put in force last, and whether an empty answer has been told of since.
#[derive(Default)]
struct Last {
    members: Option<Vec<Named>>,
    kept: bool,
}

impl<'a> Follower<'a> {
    fn new(roster: &'a Roster, port: u16) -> Self {
        let (refused, last) = (AtomicBool::new(false), Mutex::default());
        Self { roster, port, started: clock::tick(), refused, last }
    }

    /// Takes the nodes at these addresses for the ring, in their order.
    fn take(&self, found: &[IpAddr]) {
        let node = self.roster.node();
        let named = |ip: &IpAddr| {
            let address = Address::new(&ip.to_string(), self.port).to_string();
            Named { dial: address.clone(), address }
        };
        let members: Vec<_> = found.iter().map(named).collect();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.refused.store(false, Ordering::Relaxed);
        let known = node.ring().addresses().count();
        if members.is_empty() && known > 0 {
            // A ring of nobody would part the keys anew among nodes that each count alone.
            if !std::mem::replace(&mut last.kept, true) {
                node.metrics().rings_kept.inc();
                tracing::warn!(
                    nodes = known,
                    "no node is ready by the Kubernetes API; the ring stays as it was"
                );
            }
        } else if last.members.as_deref().unwrap_or_default() != members {
            match self.roster.set(&members) {
                Ok(()) => self.tell(&members, last.members.as_deref().unwrap_or_default()),
                Err(error) => tracing::error!(%error, "the ring stays as it was"),
            }
            *last = Last { members: Some(members), kept: false };
        } else {
            last.kept = false;
        }
        drop(last);
        node.has(Awaited::Discovery);
    }

    fn tell(&self, members: &[Named], before: &[Named]) {
        let metrics = self.roster.node().metrics();
        metrics.ring_changes.inc();
        metrics.ring_changed_at.set(clock::now().get() / 1_000);
        let only = |these: &[Named], those: &[Named]| {
            let new = these.iter().filter(|one| !those.contains(one)).map(|one| one.address.as_str());
            new.collect::<Vec<_>>().join(" ")
        };
        let (joined, left) = (only(members, before), only(before, members));
        tracing::info!(nodes = members.len(), joined, left, "the ring has changed");
    }

    fn failed(&self, failure: &Failure) {
        self.refused.store(failure.kind == FailureKind::Refused, Ordering::Relaxed);
        self.roster.node().awaits(Awaited::Discovery, &failure.to_string());
        if clock::between(self.started, clock::tick()) >= PATIENCE {
            self.go_on_without();
        }
    }

    /// A node that starts while the API server is away serves with the ring that it has.
    fn go_on_without(&self) {
        let node = self.roster.node();
        if !self.refused.load(Ordering::Relaxed) && node.has(Awaited::Discovery) {
            tracing::warn!(
                "the Kubernetes API has not told who else is there; this node counts alone until then"
            );
        }
    }
}

#[cfg(test)]
mod tests;
