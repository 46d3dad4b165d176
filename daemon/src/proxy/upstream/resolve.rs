//! Follows who answers: an address as it is, a name as DNS has it, a Service as the cluster has it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Endpoints;
use crate::proxy::policy::Target;

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
    pub client: Option<kube::Client>,
    /// The namespace that the client may read.
    pub namespace: Option<String>,
    /// Where watches are counted.
    pub metrics: Option<crate::metrics::Metrics>,
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
        let _ = context;
        let (host, port) = match target {
            Target::Url { host, port, .. } => (host.clone(), *port),
            Target::Service { service, port } => {
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
