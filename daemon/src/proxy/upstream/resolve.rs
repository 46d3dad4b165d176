//! Follows who answers: an address as it is, a name as DNS has it, a Service as the cluster has it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crds::reference::ObjectName;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::task::JoinHandle;

use super::{Endpoints, slices};
use crate::api::{self, Failure, Told};
use crate::metrics::Metrics;
use crate::proxy::policy::Target;

/// The label by which a Service's slices are known.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// How often a name is looked up.
const LOOK_UP: Duration = Duration::from_secs(5);
/// How soon again after a failure.
const AGAIN: Duration = Duration::from_secs(1);
/// How many addresses of a name are used.
const MAX_ADDRESSES: usize = 256;

/// What is there to find out who answers.
#[derive(Clone, Default)]
#[allow(missing_debug_implementations, reason = "a client has none")]
pub struct ResolveContext {
    /// A client of the cluster; none outside of one.
    pub client: Option<Client>,
    /// The namespace that the client may read.
    pub namespace: Option<String>,
    /// Where watches are counted; the API is only asked where this is there too.
    pub metrics: Option<Metrics>,
}

/// Follows until it is dropped.
#[derive(Debug)]
pub struct Following(Option<JoinHandle<()>>);

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Endpoints {
    /// Follows who answers for `target`, on the runtime that this is called on.
    #[must_use]
    pub fn follow(target: &Target, context: &ResolveContext) -> (Self, Following) {
        let (host, port) = match target {
            Target::Url { host, port, .. } => (host.clone(), *port),
            Target::Service { service, port } => {
                if let (Some(client), Some(metrics)) = (&context.client, &context.metrics)
                    && context.namespace.as_ref() == Some(&service.namespace)
                {
                    let endpoints = Self::none(&format!("the Service {service} is being looked up"));
                    let (client, metrics) = (client.clone(), metrics.clone());
                    let follow = follow_service(endpoints.clone(), client, metrics, service.clone(), *port);
                    return (endpoints, Following(Some(tokio::spawn(follow))));
                }
                (format!("{}.{}.svc", service.name, service.namespace), *port)
            }
        };
        if let Some(ip) = literal(&host) {
            return (Self::fixed(&[SocketAddr::new(ip, port)]), Following(None));
        }
        let endpoints = Self::none(&format!("{host} is being looked up"));
        let task = tokio::spawn(follow_name(endpoints.clone(), host, port));
        (endpoints, Following(Some(task)))
    }
}

/// The address that `host` is; an IPv6 one may stand in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// Looks `host` up again and again, and at once when an address of it has failed.
async fn follow_name(endpoints: Endpoints, host: String, port: u16) {
    loop {
        let trouble = match tokio::net::lookup_host((host.as_str(), port)).await {
            Ok(found) => {
                let mut addresses: Vec<_> = found.take(MAX_ADDRESSES).collect();
                addresses.sort_unstable();
                addresses.dedup();
                if addresses.is_empty() {
                    Some(format!("DNS has no address of {host}"))
                } else {
                    endpoints.set(&addresses, None);
                    None
                }
            }
            Err(error) => Some(format!("cannot look up {host}: {error}")),
        };
        // Nobody asks more often than this, whatever fails.
        tokio::time::sleep(AGAIN).await;
        if let Some(trouble) = trouble {
            tracing::debug!(trouble, "the addresses of an upstream stay as they were");
            endpoints.keep(trouble);
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_UP - AGAIN) => {}
            () = endpoints.asked() => {}
        }
    }
}

/// A Service as the API server has told of it.
#[derive(Default)]
struct Heard {
    /// The Service, or that there is none.
    service: Option<Option<Service>>,
    slices: Option<Vec<EndpointSlice>>,
}

/// Watches a Service and its slices. While the API server is away, what is known stays.
async fn follow_service(
    endpoints: Endpoints,
    client: Client,
    metrics: Metrics,
    service: ObjectName,
    port: u16,
) {
    let heard = Mutex::new(Heard::default());
    let name = service.to_string();
    let change = |change: &dyn Fn(&mut Heard)| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut heard);
        let (Some(service), Some(slices)) = (&heard.service, &heard.slices) else { return };
        match slices::addresses(&name, service.as_ref(), slices.iter(), port) {
            Ok(addresses) => endpoints.set(&addresses, None),
            Err(trouble) => endpoints.set(&[], Some(trouble)),
        }
    };
    let failed = |failure: &Failure| {
        endpoints.keep(format!("the Kubernetes API does not tell of the Service {name}: {failure}"));
    };
    let services: Api<_> = Api::namespaced(client.clone(), &service.namespace);
    let by_name = Config::default().fields(&format!("metadata.name={}", service.name));
    let slices = Api::namespaced(client, &service.namespace);
    let by_label = Config::default().labels(&format!("{SERVICE_LABEL}={}", service.name));
    let (service_metrics, slice_metrics) = (metrics.watch("services"), metrics.watch("endpointslices"));
    tokio::join!(
        api::watch("services", services, by_name, &service_metrics, |told: Told<'_, Service>| match told {
            Told::All(all) => change(&|heard| heard.service = Some(all.get(&service.name).cloned())),
            Told::Failed(failure) => failed(failure),
        }),
        api::watch("endpointslices", slices, by_label, &slice_metrics, |told: Told<'_, EndpointSlice>| {
            match told {
                Told::All(all) => change(&|heard| heard.slices = Some(all.values().cloned().collect())),
                Told::Failed(failure) => failed(failure),
            }
        }),
    );
}
