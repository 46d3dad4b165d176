//! One policy, running.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use crds::report::{PolicyReport, SignalReport};
use engine::aimd::{Settings, Window};

use super::listening::Listening;
use super::{Part, Surroundings};
use crate::proxy::gate::Gate;
use crate::proxy::policy::{Policy, Upstream, WindowPlan};
use crate::proxy::route::Action;
use crate::proxy::service::Live;
use crate::proxy::tls::{ServerTls, Standing};
use crate::proxy::upstream::{Backend, Endpoints, Following, Pool};

/// A policy in force.
pub(super) struct Running {
    live: Arc<ArcSwap<Live>>,
    /// The routes that the windows belong to, by the windows' places; none for the policy's own.
    owners: Vec<Option<Arc<str>>>,
    upstream: Reached,
    listening: Option<Listening>,
    /// What was accepted with before the listener was closed, until another is open.
    certificate: Option<ServerTls>,
}

/// An upstream, and what keeps its endpoints up to date.
struct Reached {
    plan: Upstream,
    backend: Arc<Backend>,
    _following: Following,
}

impl Reached {
    /// `before` is the one in whose place it comes.
    fn start(plan: &Upstream, before: Option<&Self>, surroundings: &Surroundings) -> Self {
        let (endpoints, following) = Endpoints::follow(&plan.target, &surroundings.resolve);
        let before = before.map(|before| &*before.backend);
        let backend = Backend::after(before, plan, endpoints, &surroundings.secrets);
        // What is good now is kept from now on, and not only once the first request has asked for it.
        let _ = backend.tls_standing();
        Self { plan: plan.clone(), backend, _following: following }
    }

    fn pools(&self, surroundings: &Surroundings) -> Box<[Pool<crate::proxy::body::RequestBody>]> {
        (0..surroundings.doors.count()).map(|_| Pool::new(&self.backend)).collect()
    }
}

impl Running {
    /// Starts one that is not listened for yet.
    pub(super) fn start(policy: Policy, part: Part, surroundings: &Surroundings) -> Self {
        let owners = owners(&policy);
        let windows = policy.windows.iter().map(|plan| new_window(plan, part)).collect();
        let upstream = Reached::start(&policy.upstream, None, surroundings);
        let pools = upstream.pools(surroundings);
        let gate = Arc::new(gate(policy, windows, surroundings));
        let live = Arc::new(ArcSwap::from_pointee(Live { gate, pools }));
        Self { live, owners, upstream, listening: None, certificate: None }
    }

    /// Goes over to what is declared now: windows move, and the upstream's connections stay unless it is
    /// another.
    pub(super) fn change(mut self, policy: Policy, part: Part, surroundings: &Surroundings) -> Self {
        let before = self.live.load_full();
        let owners = owners(&policy);
        let windows = policy.windows.iter().zip(&owners).map(|(plan, owner)| {
            let known = self.owners.iter().position(|known| known == owner);
            match known.and_then(|index| before.gate.windows.get(index)) {
                Some(window) => {
                    window.set_settings(settings(plan, part));
                    Arc::clone(window)
                }
                None => new_window(plan, part),
            }
        });
        let windows = windows.collect();
        forget_routes(&before.gate.policy, &policy, surroundings);
        let same_upstream = self.upstream.plan == policy.upstream;
        if !same_upstream {
            self.upstream = Reached::start(&policy.upstream, Some(&self.upstream), surroundings);
        }
        let pools = if same_upstream { before.pools.clone() } else { self.upstream.pools(surroundings) };
        let gate = Arc::new(gate(policy, windows, surroundings));
        self.live.store(Arc::new(Live { gate, pools }));
        self.owners = owners;
        self
    }

    /// Closes the listener where the policy wants another.
    pub(super) async fn release(&mut self) {
        let wanted = self.policy().listener.clone();
        if self.listening.as_ref().is_some_and(|listening| listening.plan != wanted)
            && let Some(listening) = self.listening.take()
        {
            self.certificate = listening.close().await;
        }
    }

    /// Opens the listener, where it is not open.
    pub(super) async fn listen(&mut self, surroundings: &Surroundings) {
        if self.listening.is_none() {
            let plan = self.policy().listener.clone();
            let known = self.certificate.take();
            self.listening = Some(Listening::start(&plan, known, &self.live, surroundings).await);
        }
    }

    /// Ends it: nothing more is accepted, and its metrics are gone.
    pub(super) async fn stop(self, surroundings: &Surroundings) {
        let policy = self.policy();
        tracing::info!(policy = %policy.source, "a policy is no longer served");
        if let Some(listening) = self.listening {
            listening.close().await;
        }
        let routes = policy.routes.names().map(AsRef::as_ref);
        surroundings.families.forget(&policy.label(), routes, true);
    }

    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.live.load().gate.policy)
    }

    pub(super) fn windows(&self) -> Vec<Arc<Window>> {
        self.live.load().gate.windows.clone()
    }

    pub(super) fn take_part(&self, part: Part) {
        let live = self.live.load();
        for (plan, window) in live.gate.policy.windows.iter().zip(&live.gate.windows) {
            window.set_settings(settings(plan, part));
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.listening.as_ref()?.problem()
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listening.as_ref()?.address()
    }

    pub(super) fn report(&self, signals: Vec<SignalReport>) -> PolicyReport {
        let listening = self.listening.as_ref();
        let (mut problem, mut outdated) = (self.problem(), Vec::new());
        outdated.extend(listening.and_then(Listening::outdated));
        match self.upstream.backend.tls_standing() {
            Some(Standing::Outdated(error)) => outdated.push(format!("spec.upstream.tls: {error}")),
            // The port is open, and every request fails.
            Some(Standing::Unusable(error)) => {
                problem = problem.or_else(|| Some(format!("spec.upstream.tls: {error}")));
            }
            Some(Standing::Current) | None => {}
        }
        let report = self.live.load().gate.report(problem.unwrap_or_default(), signals);
        PolicyReport { outdated: outdated.join("; "), ..report }
    }

    pub(super) fn measure(&self) {
        let live = self.live.load();
        live.gate.measure();
        if let Some(ours) = &live.gate.metrics.ours {
            ours.upstream_connections.set(self.upstream.backend.open_connections());
        }
    }
}

fn gate(policy: Policy, windows: Vec<Arc<Window>>, surroundings: &Surroundings) -> Gate {
    let metrics = surroundings.families.of(&policy.label(), policy.routes.names().map(AsRef::as_ref));
    Gate { policy: Arc::new(policy), windows, metrics, node: surroundings.node.clone() }
}

/// Which route each window belongs to.
fn owners(policy: &Policy) -> Vec<Option<Arc<str>>> {
    let mut owners = vec![None; policy.windows.len()];
    for (name, action) in policy.routes.actions() {
        if let Action::Protect(window @ 1..) = action
            && let Some(owner) = owners.get_mut(*window)
        {
            *owner = Some(Arc::clone(name));
        }
    }
    owners
}

fn settings(plan: &WindowPlan, part: Part) -> Settings {
    let bounds = plan.settings.bounds;
    let bounds = if plan.shared { bounds.part(part.pods, part.place) } else { bounds };
    Settings { bounds, ..plan.settings }
}

fn new_window(plan: &WindowPlan, part: Part) -> Arc<Window> {
    Arc::new(Window::new(settings(plan, part), fastrand::u64(..)))
}

/// Routes that are gone are no longer shown.
fn forget_routes(before: &Policy, now: &Policy, surroundings: &Surroundings) {
    let still: Vec<&str> = now.routes.names().map(AsRef::as_ref).collect();
    let gone = before.routes.names().map(AsRef::as_ref).filter(|name| !still.contains(name));
    surroundings.families.forget(&before.label(), gone, false);
}
