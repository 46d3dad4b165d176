//! A policy's listener: opened, tried again where its port is taken, and closed without cutting anybody
//! off.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Surroundings;
use crate::proxy::connection;
use crate::proxy::policy::{Listener, Voice};
use crate::proxy::service::Live;
use crate::proxy::tls::{ServerTls, Standing};
use crate::server::{BindError, Open, open};
use crate::settings::Address;

/// Connections of one listener at once: beyond it, new ones wait to be accepted.
const MAX_CONNECTIONS: usize = 20_000;
/// How often a port that is taken is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// An open listener, or one that is being tried.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) plan: Listener,
    /// What its connections are accepted with.
    tls: Option<ServerTls>,
    closed: CancellationToken,
    state: Arc<Mutex<State>>,
    /// What holds the port, or tries to.
    holding: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    at: Option<SocketAddr>,
    problem: Option<String>,
}

impl Listening {
    /// Opens a listener, at once where that works. What was accepted with before, `known`, goes on where the
    /// same is declared: it may be good while the Secret is not.
    pub(super) async fn start(
        plan: &Listener,
        known: Option<ServerTls>,
        live: &Arc<ArcSwap<Live>>,
        surroundings: &Surroundings,
    ) -> Self {
        let closed = surroundings.drain.child_token();
        let state = Arc::new(Mutex::new(State::default()));
        let holding = TaskTracker::new();
        let tls = plan.tls.as_ref().map(|tls| {
            let known = known.filter(|known| known.is(tls));
            known.unwrap_or_else(|| ServerTls::new(tls, surroundings.secrets.clone()))
        });
        let listening = Self {
            plan: plan.clone(),
            tls: tls.clone(),
            closed: closed.clone(),
            state: Arc::clone(&state),
            holding: holding.clone(),
        };
        let attempt = Attempt {
            plan: plan.clone(),
            tls,
            live: Arc::clone(live),
            surroundings: surroundings.clone(),
            closed,
            state,
            holding: holding.clone(),
        };
        if let Some(opened) = attempt.open().await {
            attempt.accept(opened);
        } else {
            let tasks = surroundings.tasks.clone();
            tasks.spawn(holding.track_future(attempt.persist()));
        }
        listening
    }

    /// Accepts no more; who is connected is asked to leave when answered. Returns when the port is free,
    /// with what was accepted with.
    pub(super) async fn close(self) -> Option<ServerTls> {
        self.closed.cancel();
        self.holding.close();
        self.holding.wait().await;
        self.tls
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).problem.clone()
    }

    /// Why it goes on with the certificate that it had, if it does.
    pub(super) fn outdated(&self) -> Option<String> {
        match self.tls.as_ref()?.standing() {
            Standing::Outdated(error) => Some(format!("spec.listener.tls: {error}")),
            Standing::Current | Standing::Unusable(_) => None,
        }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).at
    }
}

/// What it takes to open one.
struct Attempt {
    plan: Listener,
    tls: Option<ServerTls>,
    live: Arc<ArcSwap<Live>>,
    surroundings: Surroundings,
    closed: CancellationToken,
    state: Arc<Mutex<State>>,
    holding: TaskTracker,
}

impl Attempt {
    async fn open(&self) -> Option<Open> {
        if let Some(Err(error)) = self.tls.as_ref().map(ServerTls::config) {
            return self.failed(format!("spec.listener.tls: {error}"));
        }
        let host = self.plan.host.as_deref().unwrap_or(&self.surroundings.host);
        let (what, setting) = match self.live.load().gate.policy.voice {
            Voice::Declared => ("a policy's traffic", "spec.listener.port"),
            Voice::Original => ("the proxy", "insecure_listen_addr"),
        };
        let opened: Result<Open, BindError> = open(&Address::new(host, self.plan.port), what, setting).await;
        match opened {
            Ok(open) => Some(open),
            Err(error) => self.failed(error.to_string()),
        }
    }

    fn failed<T>(&self, problem: String) -> Option<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.problem.as_ref() != Some(&problem) {
            let policy = &self.live.load().gate.policy.source;
            tracing::error!(%policy, "a policy is not served: {problem}");
            state.problem = Some(problem);
        }
        None
    }

    /// Tries until it works or is no longer wanted.
    async fn persist(self) {
        let mut secrets = self.surroundings.secrets.changes();
        loop {
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                Ok(()) = secrets.changed(), if self.plan.tls.is_some() => {}
                () = self.closed.cancelled() => return,
            }
            if let Some(opened) = self.open().await {
                return self.accept(opened);
            }
        }
    }

    fn accept(self, open: Open) {
        let Self { tls, live, surroundings, closed, state, holding, .. } = self;
        {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            *state = State { at: Some(open.at), problem: None };
        }
        tracing::info!(policy = %live.load().gate.policy.source, at = %open.at, "a policy is served");
        if let Some(node) = &surroundings.node {
            node.policies_changed();
        }
        let serve = Arc::new(connection::Listener::new(live, tls));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let doors = Arc::clone(&surroundings.doors);
        let accept = async move { doors.accept(open.listener, serve, places, closed).await };
        surroundings.tasks.spawn(holding.track_future(accept));
    }
}
