//! Gates without a daemon: from a policy's manifest, with its signals asked and its windows counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crds::document::PolicyEntry;
use crds::manifest::{self, Manifest};
use crds::reference::ObjectName;
use crds::report::PolicyReport;
use engine::aimd::Window;
use prometheus::Registry;

use super::{ClientLayer, ServerLayer};
use crate::metrics::{PolicyLabel, ProxyFamilies, SignalCollector};
use crate::node::Node;
use crate::proxy::gate::Gate;
use crate::proxy::policy::{Policy, PolicyError, declared};
use crate::proxy::secrets::Secrets;
use crate::proxy::signals::Asker;

/// All chains of a process. They count in one registry, and ask each question to Prometheus once. Clones
/// are the same.
#[derive(Clone)]
pub struct Chains(Arc<Shared>);

struct Shared {
    families: ProxyFamilies,
    asker: Asker,
    node: Option<Arc<Node>>,
    running: Mutex<BTreeMap<ObjectName, Arc<Gate>>>,
}

/// A policy in force. Clones are the same; with the last of them and of its layers and services, its
/// signals are asked no more, and its metrics are gone.
#[derive(Clone, Debug)]
pub struct Chain(Arc<Running>);

struct Running {
    gate: Arc<Gate>,
    chains: Chains,
}

/// Why there is no chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The manifest is wrong: every problem, a line each.
    #[error("{0}")]
    Manifest(String),
    /// A policy has no meaning.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Its name is taken.
    #[error("the policy {0} runs already; give it another name, or share its chain")]
    Taken(ObjectName),
    /// The registry has metrics of these names.
    #[error("the metrics cannot be registered: {0}; make one Chains for each registry")]
    Metrics(#[from] prometheus::Error),
}

/// Reads a policy from the text of a manifest, which may hold other kinds beside it. Its listener,
/// upstream, body bound, idle and connect timeouts are for the proxy, and mean nothing to a layer.
///
/// # Errors
/// [`ChainError::Manifest`] and [`ChainError::Policy`], with place, field and way out.
pub fn policy(yaml: &str) -> Result<Policy, ChainError> {
    let read = manifest::read([("policy", yaml)]);
    if !read.problems.is_empty() {
        let lines: Vec<_> = read.problems.iter().map(ToString::to_string).collect();
        return Err(ChainError::Manifest(lines.join("\n")));
    }
    let policies = read.objects.into_iter().filter_map(|located| match located.manifest {
        Manifest::BackpressurePolicy(policy) => Some(policy),
        _ => None,
    });
    let [policy] = policies.collect::<Vec<_>>().try_into().map_err(|found: Vec<_>| {
        ChainError::Manifest(format!(
            "the text holds {} BackpressurePolicy resources, and a chain has one",
            found.len()
        ))
    })?;
    let entry = PolicyEntry { source: ObjectName::of(&policy.metadata), spec: policy.spec };
    Ok(declared::policy(&entry)?)
}

impl fmt::Debug for Chains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock().keys()).finish()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.gate.policy.source).finish()
    }
}

impl Chains {
    /// Chains that count in `registry`, and find what their policies name in `secrets`.
    ///
    /// # Errors
    /// [`ChainError::Metrics`] where the registry counts chains already.
    pub fn new(registry: &Registry, secrets: Secrets) -> Result<Self, ChainError> {
        Self::make(registry, secrets, None)
    }

    /// The same with somebody to ask for the rate limits that policies name.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_node(registry: &Registry, secrets: Secrets, node: Arc<Node>) -> Result<Self, ChainError> {
        Self::make(registry, secrets, Some(node))
    }

    fn make(registry: &Registry, secrets: Secrets, node: Option<Arc<Node>>) -> Result<Self, ChainError> {
        let (families, asker) = (ProxyFamilies::register(registry)?, Asker::new(secrets));
        let asked = asker.clone();
        registry.register(Box::new(SignalCollector::new(PolicyLabel::Shown, move || asked.readings())?))?;
        Ok(Self(Arc::new(Shared { families, asker, node, running: Mutex::default() })))
    }

    /// Brings a policy into force; its signals are asked from now on. Must be called in a runtime.
    ///
    /// # Errors
    /// Where a chain of its name runs, or it names rate limits and there is no node to ask.
    pub fn start(&self, policy: Policy) -> Result<Chain, ChainError> {
        let Shared { families, asker, node, .. } = &*self.0;
        if node.is_none() && !policy.limits.is_empty() {
            let fault = "there is no node to ask; use Chains::with_node, or take them out".to_owned();
            return Err(PolicyError { field: "spec.rateLimits".to_owned(), fault }.into());
        }
        let windows = policy.windows.iter();
        let windows = windows.map(|plan| Arc::new(Window::new(plan.settings, fastrand::u64(..)))).collect();
        let mut running = self.0.lock();
        if running.contains_key(&policy.source) {
            return Err(ChainError::Taken(policy.source));
        }
        let metrics = families.of(&policy.label(), policy.routes.names().map(AsRef::as_ref));
        let gate = Arc::new(Gate { policy: Arc::new(policy), windows, metrics, node: node.clone() });
        asker.follow(&gate.policy.source, &gate.policy.signals, gate.windows.clone());
        running.insert(gate.policy.source.clone(), Arc::clone(&gate));
        drop(running);
        Ok(Chain(Arc::new(Running { gate, chains: self.clone() })))
    }

    /// Brings the gauges of all windows up to date; to be called before each scrape of the registry.
    pub fn measure(&self) {
        self.0.lock().values().for_each(|gate| gate.measure());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Arc<Gate>>> {
        // Nothing panics under the lock; were it so, the map is still whole.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chain {
    /// The gate itself.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    /// What goes around a service that answers.
    #[must_use]
    pub fn server_layer(&self) -> ServerLayer {
        ServerLayer::of(Arc::clone(&self.0.gate), self.clone())
    }

    /// What goes around a client.
    #[must_use]
    pub fn client_layer(&self) -> ClientLayer {
        ClientLayer::of(Arc::clone(&self.0.gate), self.clone())
    }

    /// How it is: its window, what is in flight, and its signals.
    #[must_use]
    pub fn report(&self) -> PolicyReport {
        let Running { gate, chains } = &*self.0;
        gate.report(String::new(), chains.0.asker.reports(&gate.policy.source))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (policy, Shared { families, asker, .. }) = (&self.gate.policy, &*self.chains.0);
        let mut running = self.chains.0.lock();
        asker.forget(&policy.source);
        families.forget(&policy.label(), policy.routes.names().map(AsRef::as_ref), true);
        running.remove(&policy.source);
    }
}

#[cfg(test)]
mod tests;
