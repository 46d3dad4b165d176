//! The nodes of this process, running: one under `serve`, `spec.replicas` under `standalone`.

use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::AppError;
use super::manifests::Loaded;
use super::plan::NodePlan;
use crate::clock;
use crate::limits::Limits;
use crate::metrics::PolicyLabel;
use crate::node::Node;
use crate::peers::{Named, PeerSet, Roster};
use crate::proxy::secrets::Secrets;
use crate::proxy::upstream::ResolveContext;
use crate::proxy::{Fleet, Part, Surroundings};
use crate::server::gateway::router;
use crate::server::grpc::{Door, Serves};
use crate::server::{
    Doors, GrpcDoor, MaxAge, NodeFront, Open, Services, close_while_leaving, open, report_routes, serve_http,
};
use crate::settings::{self, Batching, Discovery};

/// How often a share of the table is swept, and into how many shares: the whole in ten seconds.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
const SWEEP_SHARES: usize = 40;
/// Entries swept at least, so that a small table is not swept entry by entry.
const SWEEP_LEAST: usize = 4096;

/// gRPC connections at once, over all listeners.
const MAX_CONNECTIONS: usize = 20_000;

/// What the last tasks get to end, whatever the connections left of the grace.
const NOTICE: Duration = Duration::from_millis(100);

/// Everything that runs.
pub(super) struct Cluster {
    nodes: Arc<[Arc<Node>]>,
    /// The policies. There is one fleet, whatever the number of nodes: in one process they are one pod.
    fleet: Arc<Fleet>,
    rosters: Vec<Roster>,
    services: Vec<Services>,
    doors: Arc<Doors>,
    /// gRPC's connections.
    places: Arc<Semaphore>,
    accepting: TaskTracker,
    tasks: TaskTracker,
    /// What watches the world for the nodes, until the end of the drain.
    watching: TaskTracker,
    drain: CancellationToken,
    stop: CancellationToken,
    grace: tokio::sync::watch::Sender<Duration>,
}

/// Where the ring comes from.
pub(super) enum RingPlan {
    /// The nodes of this process.
    Ourselves,
    /// It was written down.
    Told(Vec<Named>),
    /// It is found out while running, and empty until then.
    Discovered,
}

impl RingPlan {
    pub(super) fn of(discovery: &Discovery) -> Self {
        match discovery {
            Discovery::None => Self::Ourselves,
            Discovery::Kubernetes(_) => Self::Discovered,
            Discovery::Static(peers) => {
                let named = |peer: &settings::Peer| Named {
                    address: peer.advertise.to_string(),
                    dial: peer.listener.to_string(),
                };
                Self::Told(peers.iter().map(named).collect())
            }
        }
    }
}

/// A node with its listeners open and nothing served yet.
struct Bound {
    node: Arc<Node>,
    batching: Batching,
    age: MaxAge,
    share_peer_port: bool,
    grpc: Open,
    http: Open,
    peer: Option<Open>,
}

impl Bound {
    async fn new(plan: NodePlan) -> Result<Self, AppError> {
        let grpc = open(&plan.grpc, "gRPC", "GUBER_GRPC_ADDRESS (or --grpc-address)").await?;
        let http = open(&plan.http, "HTTP", "GUBER_HTTP_ADDRESS (or --http-address)").await?;
        let peer = match &plan.peer {
            Some(address) => Some(open(address, "peers", "WICKETGATE_PEER_ADDRESS").await?),
            None => None,
        };
        let advertise = match plan.advertise.port() {
            0 => plan.advertise.with_port(grpc.at.port()),
            _ => plan.advertise,
        };
        let mut node = plan.node;
        node.advertise = advertise.as_str().into();
        let fault = |error: prometheus::Error| AppError::Fault(error.to_string());
        let node = Node::new(node).map_err(fault)?;
        if plan.process_metrics {
            node.metrics().watch_process().map_err(fault)?;
        }
        let (batching, age, share_peer_port) = (plan.batching, plan.age, plan.share_peer_port);
        Ok(Self { node: Arc::new(node), batching, age, share_peer_port, grpc, http, peer })
    }

    /// How the others know and reach this node.
    fn named(&self) -> Named {
        let listener = self.peer.as_ref().unwrap_or(&self.grpc);
        Named { address: self.node.advertise().to_string(), dial: listener.at.to_string() }
    }
}

impl Cluster {
    /// Opens every listener, then starts every node.
    pub(super) async fn start(
        plans: Vec<NodePlan>,
        threads: usize,
        ring: RingPlan,
        world: World,
        loaded: Option<&Loaded>,
    ) -> Result<Self, AppError> {
        let host = plans.first().map(|plan| plan.http.host().to_owned()).unwrap_or_default();
        let shares = !matches!(ring, RingPlan::Ourselves);
        let mut bound = Vec::with_capacity(plans.len());
        for plan in plans {
            bound.push(Bound::new(plan).await?);
        }
        let ring = match ring {
            RingPlan::Told(ring) => ring,
            RingPlan::Discovered => Vec::new(),
            RingPlan::Ourselves => bound.iter().map(Bound::named).collect(),
        };
        let doors =
            Doors::new(threads).map_err(|cause| AppError::System { what: "threads to serve gRPC", cause })?;
        let (doors, drain, tasks) = (Arc::new(doors), CancellationToken::new(), TaskTracker::new());
        let first = bound.first().map(|bound| Arc::clone(&bound.node));
        let first = first.ok_or_else(|| AppError::Fault("a cluster without nodes".to_owned()))?;
        let fleet = Arc::new(Fleet::new(Surroundings {
            doors: Arc::clone(&doors),
            host,
            families: first.metrics().proxy.clone(),
            node: Some(Arc::clone(&first)),
            secrets: world.secrets.clone(),
            resolve: ResolveContext { metrics: Some(first.metrics().clone()), ..world.resolve },
            drain: drain.clone(),
            tasks: tasks.clone(),
        }));
        first.watch_policies(&fleet);
        let asker = fleet.asker().clone();
        let fault = |error: prometheus::Error| AppError::Fault(error.to_string());
        first.metrics().watch_signals(PolicyLabel::Shown, move || asker.readings()).map_err(fault)?;
        let mut cluster = Self {
            nodes: bound.iter().map(|bound| Arc::clone(&bound.node)).collect(),
            fleet,
            rosters: Vec::new(),
            services: Vec::new(),
            doors,
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            accepting: TaskTracker::new(),
            tasks,
            watching: TaskTracker::new(),
            drain,
            stop: CancellationToken::new(),
            grace: tokio::sync::watch::Sender::new(Duration::ZERO),
        };
        cluster.watch(tell_changes(Arc::clone(&first), cluster.fleet.asker().changes()));
        cluster.watch(tell_changes(Arc::clone(&first), world.secrets.changes()));
        if shares {
            let (fleet, part) = (Arc::clone(&cluster.fleet), first.part());
            cluster.watch(follow_part(fleet, part));
        }
        if let Some(loaded) = loaded {
            let problems = cluster.declarer().declare(loaded).await;
            if !problems.is_empty() {
                return Err(AppError::Policies(problems));
            }
        }
        for bound in bound {
            cluster.start_node(bound, &ring).await?;
        }
        Ok(cluster)
    }

    /// Runs what watches the world for the nodes until the end: on through the delay of a stop and
    /// until the last call is answered, since a node that leaves still forwards.
    pub(super) fn watch(&self, watching: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.watching.spawn(async move {
            tokio::select! {
                () = watching => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Makers of the nodes' rings.
    pub(super) fn rosters(&self) -> &[Roster] {
        &self.rosters
    }

    /// The policies.
    pub(super) fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.fleet)
    }

    /// What takes declarations into force.
    pub(super) fn declarer(&self) -> Declarer {
        Declarer { nodes: Arc::clone(&self.nodes), fleet: Arc::clone(&self.fleet) }
    }

    async fn start_node(&mut self, bound: Bound, ring: &[Named]) -> Result<(), AppError> {
        let Bound { node, batching, age, share_peer_port, grpc, http, peer } = bound;
        let roster = Roster::new(Arc::clone(&node), batching, self.tasks.clone());
        roster.set(ring)?;
        self.rosters.push(roster);
        let services = Services::new().await.map_err(|error| AppError::Fault(error.to_string()))?;
        let peers_at = peer.as_ref().map(|open| open.at.to_string());
        if let Some(Open { listener, .. }) = peer {
            let serves = Serves { clients: false, peers: true };
            self.accept(
                listener,
                Door::new(Arc::clone(&node), serves, services.routes.clone()),
                MaxAge(None),
            );
        }
        let serves = Serves { clients: true, peers: share_peer_port };
        self.accept(grpc.listener, Door::new(Arc::clone(&node), serves, services.routes.clone()), age);
        let router = router(NodeFront(Arc::clone(&node)))
            .merge(report_routes(Arc::clone(&node), self.drain.clone()))
            .layer(from_fn_with_state(Arc::clone(&node), close_while_leaving));
        self.tasks.spawn(serve_http(http.listener, router, self.drain.clone(), self.grace.subscribe()));
        self.tasks.spawn(sweep(Arc::clone(&node), self.stop.clone()));
        node.start_serving();
        services.set_serving(true).await;
        self.services.push(services);
        let advertise = node.advertise().as_ref();
        tracing::info!(
            grpc = %grpc.at, http = %http.at, peers = peers_at, advertise, ring = ring.len(), "serving"
        );
        Ok(())
    }

    fn accept(&self, listener: TcpListener, door: Door, age: MaxAge) {
        let (doors, drain, places) = (Arc::clone(&self.doors), self.drain.clone(), Arc::clone(&self.places));
        let serve = Arc::new(GrpcDoor { door: Arc::new(door), age });
        self.accepting.spawn(async move { doors.accept(listener, serve, places, drain).await });
    }

    /// Says that the nodes are leaving, serves on for `delay`, then takes no more and gives what is
    /// under way at most `grace` to end.
    pub(super) async fn stop(self, delay: Duration, grace: Duration) {
        for node in &*self.nodes {
            node.start_draining();
        }
        for services in &self.services {
            services.set_serving(false).await;
        }
        tokio::time::sleep(delay).await;
        self.grace.send_replace(grace);
        self.drain.cancel();
        let over = clock::timer() + grace;
        self.accepting.close();
        self.accepting.wait().await;
        self.doors.close(grace).await;
        self.stop.cancel();
        // What still watches could bring a ring back.
        self.watching.close();
        self.watching.wait().await;
        // Dropping the rings ends the tasks that send to other nodes.
        for node in &*self.nodes {
            let own = Arc::clone(node.advertise());
            node.set_ring(PeerSet::new(node.ring_hash(), own, false, Vec::new()));
        }
        drop(self.rosters);
        self.tasks.close();
        // What only has to notice that the rings are gone gets the time for that.
        let over = over.max(clock::timer() + NOTICE);
        if tokio::time::timeout_at(over, self.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
    }
}

/// What policies find outside of the process.
#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) secrets: Secrets,
    pub(super) resolve: ResolveContext,
}

/// Takes declarations into force, on every node and in the fleet.
#[derive(Clone)]
pub(super) struct Declarer {
    pub(super) nodes: Arc<[Arc<Node>]>,
    fleet: Arc<Fleet>,
}

impl Declarer {
    /// Takes them into force, and tells what keeps policies from being served, a line each.
    pub(super) async fn declare(&self, loaded: &Loaded) -> Vec<String> {
        let problems = self.fleet.set(loaded.policies.clone()).await;
        for node in &*self.nodes {
            node.set_limits(Limits::new(&loaded.document, node.metrics()));
            node.policies_changed();
        }
        loaded.report();
        problems.into_iter().map(|(source, why)| format!("BackpressurePolicy {source}: {why}")).collect()
    }
}

/// Keeps the fleet's part of the cluster's windows as the ring has it.
async fn follow_part(fleet: Arc<Fleet>, mut part: tokio::sync::watch::Receiver<Part>) {
    loop {
        let now = *part.borrow_and_update();
        fleet.set_part(now);
        if part.changed().await.is_err() {
            return;
        }
    }
}

/// Tells whoever shows reports that a signal has something else to say, or that a Secret has changed.
async fn tell_changes<T>(node: Arc<Node>, mut changes: tokio::sync::watch::Receiver<T>) {
    while changes.changed().await.is_ok() {
        node.policies_changed();
    }
}

/// Reclaims buckets that are over, a little at a time.
async fn sweep(node: Arc<Node>, stop: CancellationToken) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stop.cancelled() => return,
        }
        node.sweep((node.table().len() / SWEEP_SHARES).max(SWEEP_LEAST));
    }
}
