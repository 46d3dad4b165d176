//! The control plane while it leads: watches fill the caches, controllers reconcile what they are woken
//! for.

mod queue;
pub(crate) mod streams;

use std::{fmt::Debug, sync::Arc};

use self::queue::Waiting;
use crds::{
    backpressure::BackpressurePolicy, document::DocumentError, limit::RateLimit, reference::ObjectName,
};
use futures_util::{Stream, StreamExt as _, stream};
use kube::{
    Client, Resource,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        Controller,
        controller::{self, Action},
        reflector::{ObjectRef, Store},
    },
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cluster::{self, apply::ApplyError, build::DocumentPartsError, validate::Environment},
    context::{Context, Parts, lock},
    declared,
    events::Events,
    metrics::{Kind, Metrics, Outcome},
    random,
    reports::Reports,
    wake::{Scope, ScopeWoken, Wake, Wakes, Woken},
};

/// Clusters that are reconciled at once.
const CLUSTERS_AT_ONCE: u16 = 8;
/// Clusters of whose pods there is news, that may wait to be passed on.
const NEWS: usize = 64;
/// RateLimits, and BackpressurePolicies, whose status is written at once.
const STATUSES_AT_ONCE: u16 = 16;

/// What the control plane is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What clusters depend on.
    pub environment: Environment,
    /// The namespaces that are watched; all of them where there is none.
    pub watch_namespaces: Vec<String>,
    /// This process, as Events name it.
    pub instance: String,
}

/// Why a reconcile did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The document cannot be written down.
    #[error(transparent)]
    Fold(#[from] DocumentError),
    /// An object cannot be written down.
    #[error("an object cannot be rendered: {0}")]
    Render(#[source] serde_json::Error),
    /// The document does not fit.
    #[error(transparent)]
    Document(#[from] DocumentPartsError),
    /// An object was not applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The document that is there was not read.
    #[error("the document that is there cannot be read: {0}")]
    Recall(#[source] Box<kube::Error>),
    /// A status was not written.
    #[error("the status was not written: {0}")]
    Status(#[source] Box<kube::Error>),
}

impl ReconcileError {
    /// In one word, for a metric.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Fold(_) | Self::Document(_) => "document",
            Self::Render(_) => "render",
            Self::Apply(ApplyError::Foreign { .. }) => "foreign",
            Self::Apply(ApplyError::Refused { .. }) => "refused",
            Self::Apply(ApplyError::Failed { .. } | ApplyError::Leaving { .. }) | Self::Recall(_) => "api",
            Self::Status(_) => "status",
        }
    }
}

/// Why the control plane ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was told to end before it had seen everything, or a watch ended by itself.
    #[error("a watch ended before everything was seen")]
    Watch,
}

/// Reconciles until `stop`. What is under way then is finished.
///
/// # Errors
/// Where it cannot begin.
pub async fn run(
    client: Client,
    settings: Settings,
    metrics: Arc<Metrics>,
    ready: impl FnOnce() + Send,
    stop: CancellationToken,
) -> Result<(), Error> {
    let scopes: Vec<Scope> = if settings.watch_namespaces.is_empty() {
        vec![None]
    } else {
        settings.watch_namespaces.iter().cloned().map(Some).collect()
    };
    let mut environment = settings.environment;
    environment.service_monitor = streams::knows_service_monitors(&client).await;
    let (caches, writers) = streams::caches(&scopes, environment.service_monitor);
    let (wakes, woken) = Wakes::new(&scopes);
    let (news, mut heard) = tokio::sync::mpsc::channel(NEWS);
    let reports = Reports::new(news, Arc::clone(&metrics));
    let events = Events::start(client.clone(), settings.instance, Arc::clone(&metrics));
    let parts = Parts { client, environment, caches, reports, events, metrics, wakes };
    let context = Arc::new(Context::new(parts));
    let tasks = TaskTracker::new();
    writers.start(&context, &tasks, &stop);
    let told = Arc::clone(&context);
    let on_report = async move {
        while let Some(cluster) = heard.recv().await {
            told.wakes.wake(Wake::Cluster(cluster), &told.caches).await;
        }
    };
    streams::spawn(&tasks, &stop, on_report);
    tokio::select! {
        seen = context.caches.wait_until_ready() => if !seen { return Err(Error::Watch) },
        () = stop.cancelled() => return Ok(()),
    }
    ready();
    tracing::info!(
        clusters = context.caches.clusters.all().len(),
        limits = context.caches.limits.all().len(),
        policies = context.caches.policies.all().len(),
        "reconciling"
    );
    // Whoever drops this future means that nothing more may be written: the controllers end with it.
    let mut controllers = JoinSet::new();
    for scope in woken {
        control(&context, scope, &mut controllers, &stop);
    }
    while controllers.join_next().await.is_some() {}
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Starts the three controllers of a scope.
fn control(context: &Arc<Context>, woken: ScopeWoken, tasks: &mut JoinSet<()>, stop: &CancellationToken) {
    let ScopeWoken { scope, clusters, limits, policies } = woken;
    let caches = &context.caches;
    if let Some(store) = caches.clusters.stores().get(&scope) {
        let control = Control { kind: Kind::Cluster, at_once: CLUSTERS_AT_ONCE, stop: stop.clone() };
        tasks.spawn(control.run(store.clone(), clusters, Arc::clone(context), cluster::reconcile));
    }
    if let Some(store) = caches.limits.stores().get(&scope) {
        let control = Control { kind: Kind::Limit, at_once: STATUSES_AT_ONCE, stop: stop.clone() };
        let reconcile = declared::reconcile::<RateLimit>;
        tasks.spawn(control.run(store.clone(), limits, Arc::clone(context), reconcile));
    }
    if let Some(store) = caches.policies.stores().get(&scope) {
        let control = Control { kind: Kind::Policy, at_once: STATUSES_AT_ONCE, stop: stop.clone() };
        let reconcile = declared::reconcile::<BackpressurePolicy>;
        tasks.spawn(control.run(store.clone(), policies, Arc::clone(context), reconcile));
    }
}

/// One controller.
struct Control {
    kind: Kind,
    at_once: u16,
    stop: CancellationToken,
}

impl Control {
    async fn run<K, F>(
        self,
        store: Store<DeserializeGuard<K>>,
        woken: Woken,
        context: Arc<Context>,
        reconcile: impl Fn(Arc<DeserializeGuard<K>>, Arc<Context>) -> F + Clone + Send + 'static,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
        F: Future<Output = Result<Action, ReconcileError>> + Send + 'static,
    {
        let Self { kind, at_once, stop } = self;
        let waiting = Arc::new(Waiting::new(context.metrics.queue_depth(kind)));
        let controller = Controller::for_stream(stream::pending(), store)
            .reconcile_on(references(woken, Arc::clone(&waiting)))
            .with_config(controller::Config::default().concurrency(at_once))
            .graceful_shutdown_on(async move { stop.cancelled().await });
        let forgetting = Arc::clone(&context);
        let taken = Arc::clone(&waiting);
        let measured = move |object: Arc<DeserializeGuard<K>>, context: Arc<Context>| {
            taken.leave(&ObjectName::of(object.meta()));
            measure(kind, object, context, reconcile.clone())
        };
        let pause = move |object: Arc<DeserializeGuard<K>>, error: &ReconcileError, context: Arc<Context>| {
            pause(kind, &*object, error, &context)
        };
        // Each outcome was counted and told where it came to pass. What was gone before its turn had none.
        let ended = controller.run(measured, pause, context).for_each(|outcome| {
            if let Err(controller::Error::ObjectNotFound(gone)) = outcome {
                let namespace = gone.namespace.unwrap_or_default();
                let gone = ObjectName { namespace, name: gone.name };
                waiting.leave(&gone);
                lock(&forgetting.backoff).forget(&key(kind, &gone));
            }
            std::future::ready(())
        });
        ended.await;
    }
}

/// Runs one reconcile, counted.
async fn measure<K, F>(
    kind: Kind,
    object: Arc<DeserializeGuard<K>>,
    context: Arc<Context>,
    reconcile: impl Fn(Arc<DeserializeGuard<K>>, Arc<Context>) -> F,
) -> Result<Action, ReconcileError>
where
    K: Resource<DynamicType = ()>,
    F: Future<Output = Result<Action, ReconcileError>>,
{
    let running = context.metrics.reconcile(kind);
    let key = key(kind, &ObjectName::of(object.meta()));
    let outcome = reconcile(object, Arc::clone(&context)).await;
    running.end(if outcome.is_ok() { Outcome::Ok } else { Outcome::Error });
    if outcome.is_ok() {
        lock(&context.backoff).forget(&key);
    }
    outcome
}

/// How long an object that failed waits.
fn pause<K: Resource<DynamicType = ()>>(
    kind: Kind,
    object: &DeserializeGuard<K>,
    error: &ReconcileError,
    context: &Context,
) -> Action {
    context.metrics.reconcile_failed(kind, error.reason());
    let name = ObjectName::of(object.meta());
    let generation = object.meta().generation;
    let delay = lock(&context.backoff).failed(key(kind, &name), generation, random::bits());
    tracing::warn!(kind = kind.as_str(), object = %name, %error, again_in = ?delay, "reconcile failed");
    Action::requeue(delay)
}

fn key(kind: Kind, name: &ObjectName) -> String {
    format!("{} {name}", kind.as_str())
}

/// The names of a queue, as a controller takes them.
fn references<K>(mut woken: Woken, waiting: Arc<Waiting>) -> impl Stream<Item = ObjectRef<K>> + Send + 'static
where
    K: Resource<DynamicType = ()> + 'static,
{
    stream::poll_fn(move |task| woken.poll_recv(task)).map(move |name| {
        waiting.enter(&name);
        ObjectRef::new(&name.name).within(&name.namespace)
    })
}
