//! One node: its table, what is declared, its place on the ring, and how it is.

mod readiness;
mod reporting;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use crds::report::{PodReport, PolicyReport, Refusal};
use engine::{Calendar, RingHash, Table, UnixMillis};
use prost::Message as _;
use proto::gubernator::{HealthCheckResp, PeerHealthResp, UpdatePeerGlobalsReq};
use tokio::sync::watch;
use tonic::Status;

use self::readiness::Readiness;
pub use self::readiness::{Awaited, Needs};
use self::reporting::Reporting;

use crate::clock;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::peers::PeerSet;
use crate::proxy::{Fleet, Part};
use crate::settings::OnOwnerUnavailable;

/// What a node is made from and keeps for its life.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Its name on the ring.
    pub advertise: Arc<str>,
    /// Its region; empty for none.
    pub data_center: String,
    /// Buckets held before the least recently used is dropped.
    pub capacity: usize,
    /// The zone of calendar intervals.
    pub calendar: Calendar,
    /// How far `created_at` may lie from the clock.
    pub max_clock_skew: Duration,
    /// Who decides while an owner cannot be reached.
    pub on_owner_unavailable: OnOwnerUnavailable,
    /// Whether every forwarded item goes by itself.
    pub batching_disabled: bool,
    /// The ring's hash.
    pub ring_hash: RingHash,
    /// What it must have before it wants requests.
    pub needs: Needs,
}

#[cfg(test)]
impl NodeSettings {
    /// Small, and in need of nothing.
    pub(crate) fn for_test(advertise: &str) -> Self {
        Self {
            advertise: advertise.into(),
            data_center: String::new(),
            capacity: 1_000,
            calendar: Calendar::utc(),
            max_clock_skew: Duration::from_secs(600),
            on_owner_unavailable: OnOwnerUnavailable::NextPeer,
            batching_disabled: false,
            ring_hash: RingHash::Xxh3,
            needs: Needs::default(),
        }
    }

    pub(crate) const fn batching_for_test() -> crate::settings::Batching {
        let timeout = Duration::from_millis(500);
        crate::settings::Batching { wait: Duration::ZERO, timeout, limit: 1_000, disabled: false }
    }
}

/// One node of a cluster.
#[derive(Debug)]
pub struct Node {
    settings: NodeSettings,
    skew_millis: i64,
    table: Arc<Table>,
    ring: ArcSwap<PeerSet>,
    limits: ArcSwap<Limits>,
    metrics: Metrics,
    phase: AtomicU8,
    readiness: Readiness,
    reporting: Reporting,
    fleet: OnceLock<Weak<Fleet>>,
    part: watch::Sender<Part>,
}

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

impl Node {
    /// A node alone, not yet serving: nothing is declared, and its ring is empty.
    ///
    /// # Errors
    /// Where its metrics clash, which a test rules out.
    pub fn new(settings: NodeSettings) -> Result<Self, prometheus::Error> {
        let metrics = Metrics::new()?;
        let table = Arc::new(Table::new(settings.capacity));
        let shown = Arc::clone(&table);
        metrics.watch_table(move || shown.stats().into())?;
        let ring = PeerSet::new(settings.ring_hash, Arc::clone(&settings.advertise), false, Vec::new());
        Ok(Self {
            readiness: Readiness::new(&settings.needs),
            reporting: Reporting::new(settings.ring_hash, &ring),
            skew_millis: i64::try_from(settings.max_clock_skew.as_millis()).unwrap_or(i64::MAX),
            settings,
            table,
            ring: ArcSwap::from_pointee(ring),
            limits: ArcSwap::default(),
            metrics,
            phase: AtomicU8::new(STARTING),
            fleet: OnceLock::new(),
            part: watch::Sender::new(Part::WHOLE),
        })
    }

    /// Its name on the ring.
    #[must_use]
    pub const fn advertise(&self) -> &Arc<str> {
        &self.settings.advertise
    }

    /// The ring's hash.
    #[must_use]
    pub const fn ring_hash(&self) -> RingHash {
        self.settings.ring_hash
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) const fn calendar(&self) -> &Calendar {
        &self.settings.calendar
    }

    pub(crate) const fn max_clock_skew(&self) -> i64 {
        self.skew_millis
    }

    pub(crate) const fn on_owner_unavailable(&self) -> OnOwnerUnavailable {
        self.settings.on_owner_unavailable
    }

    pub(crate) const fn batches_never(&self) -> bool {
        self.settings.batching_disabled
    }

    /// The ring as it is now.
    #[must_use]
    pub fn ring(&self) -> Guard<Arc<PeerSet>> {
        self.ring.load()
    }

    /// What is declared now.
    #[must_use]
    pub fn limits(&self) -> Guard<Arc<Limits>> {
        self.limits.load()
    }

    /// What the node counts.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Takes another ring into force.
    pub fn set_ring(&self, ring: PeerSet) {
        self.metrics.peers.set(count(ring.addresses().count()));
        let ring = Arc::new(ring);
        self.ring.store(Arc::clone(&ring));
        self.reporting.ring(&ring);
        let part = part(&ring);
        self.part.send_if_modified(|known| std::mem::replace(known, part) != part);
    }

    /// Which part of the cluster's windows is this node's; it changes with the ring.
    #[must_use]
    pub fn part(&self) -> watch::Receiver<Part> {
        self.part.subscribe()
    }

    /// From now on the node's reports and metrics have the policies of `fleet`. Only the first counts.
    pub fn watch_policies(&self, fleet: &Arc<Fleet>) {
        // A second one is a fault of ours that costs nothing.
        let _ = self.fleet.set(Arc::downgrade(fleet));
    }

    fn fleet(&self) -> Option<Arc<Fleet>> {
        self.fleet.get()?.upgrade()
    }

    fn read_policies(&self) -> Vec<PolicyReport> {
        self.fleet().map(|fleet| fleet.reports()).unwrap_or_default()
    }

    /// All metrics in Prometheus' text format, with what is only measured when somebody looks.
    ///
    /// # Errors
    /// Where a metric cannot be written down, which would be a fault of ours.
    pub fn render_metrics(&self) -> Result<String, prometheus::Error> {
        if let Some(fleet) = self.fleet() {
            fleet.measure();
        }
        self.metrics.render()
    }

    /// Something else than a number has changed with a policy: whoever shows reports hears of it.
    pub fn policies_changed(&self) {
        self.reporting.policies(self.read_policies());
    }

    /// Takes other declarations into force.
    pub fn set_limits(&self, limits: Limits) {
        self.metrics.declared_limits.set(count(limits.len()));
        self.metrics.set_document_revision(limits.revision());
        let before = self.limits.swap(Arc::new(limits));
        let now = self.limits();
        let still: HashSet<&str> = now.audited().collect();
        for name in before.audited().filter(|name| !still.contains(name)) {
            self.metrics.forget_audit(name);
        }
        self.reporting.took(now.revision());
    }

    /// Notes that a document was not taken, and that the one before it stays in force.
    pub fn refuse(&self, refusal: Refusal) {
        self.reporting.refused(Some(refusal));
    }

    /// Notes that what was refused is gone: the document in force is the one that is wanted.
    pub fn forget_refusal(&self) {
        self.reporting.refused(None);
    }

    /// From now on the node is ready.
    pub fn start_serving(&self) {
        self.phase.store(SERVING, Ordering::Release);
    }

    /// From now on the node says that it is leaving, and still answers.
    pub fn start_draining(&self) {
        self.phase.store(DRAINING, Ordering::Release);
        self.reporting.leaves();
    }

    /// Whether the node says that it is leaving.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase.load(Ordering::Acquire) == DRAINING
    }

    /// Says why the node still waits for something that it needs; nothing where it has come already.
    pub fn awaits(&self, what: Awaited, why: &str) {
        self.readiness.awaits(what, why);
    }

    /// From now on the node has something that it needs; whether it had not before.
    pub fn has(&self, what: Awaited) -> bool {
        self.readiness.has(what)
    }

    /// What the node says of itself to the operator.
    #[must_use]
    pub fn report(&self) -> PodReport {
        let mut report = self.reporting.report(count(self.table.len()));
        report.policies = self.read_policies();
        report
    }

    /// Wakes whoever shows reports when something in them but a number changes.
    #[must_use]
    pub fn report_changes(&self) -> watch::Receiver<PodReport> {
        self.reporting.changes()
    }

    /// Reclaims buckets that are over, a share of the table each time. Hits may be dated back as far
    /// as the clock's allowance, so a bucket is over only then.
    pub(crate) fn sweep(&self, share: usize) {
        let now: UnixMillis = clock::now();
        self.table.sweep(now.saturating_sub(self.skew_millis), share);
    }

    /// Whether the node wants requests. It never depends on another node.
    ///
    /// # Errors
    /// Why it does not.
    pub fn ready(&self) -> Result<(), String> {
        match self.phase.load(Ordering::Acquire) {
            SERVING => self.readiness.check(|| self.ring().has_own()),
            STARTING => Err("starting".to_owned()),
            _ => Err("shutting down".to_owned()),
        }
    }

    /// How the node and its peers are.
    ///
    /// # Errors
    /// UNAVAILABLE while it is not in the list of peers, or is leaving.
    pub fn health_check(&self) -> Result<HealthCheckResp, Status> {
        self.live_check()?;
        let ring = self.ring();
        if !ring.has_own() {
            return Err(Status::unavailable("this instance is not found in the peer list"));
        }
        let failures: Vec<_> = ring
            .others()
            .filter_map(|peer| {
                let why = peer.recent_failure()?;
                let address = peer.address();
                Some(format!("error returned from local peer.GetLastErr: from host {address}: {why}"))
            })
            .collect();
        let local_peers: Vec<_> = ring
            .addresses()
            .map(|address| PeerHealthResp {
                grpc_address: address.to_owned(),
                data_center: self.settings.data_center.clone(),
            })
            .collect();
        Ok(HealthCheckResp {
            status: if failures.is_empty() { "healthy" } else { "unhealthy" }.to_owned(),
            message: failures.join("|"),
            peer_count: i32::try_from(local_peers.len()).unwrap_or(i32::MAX),
            advertise_address: self.advertise().to_string(),
            local_peers,
            region_peers: Vec::new(),
        })
    }

    /// Whether the node is not leaving.
    ///
    /// # Errors
    /// UNAVAILABLE where it is.
    pub fn live_check(&self) -> Result<(), Status> {
        match self.phase.load(Ordering::Acquire) {
            DRAINING => Err(Status::unavailable("server is shutting down")),
            _ => Ok(()),
        }
    }

    /// Takes an owner's broadcast. Every item of ours is decided by its owner, so there is no copy to
    /// update: what is checked is that the message is one, what is counted is how many came.
    ///
    /// # Errors
    /// INTERNAL where the message is malformed.
    pub fn update_peer_globals(&self, message: Bytes) -> Result<(), Status> {
        let request = UpdatePeerGlobalsReq::decode(message)
            .map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))?;
        let whole = |update: &proto::gubernator::UpdatePeerGlobal| {
            update.status.is_some()
                && !update.key.is_empty()
                && engine::Algorithm::from_number(update.algorithm).is_some()
        };
        let (taken, refused): (Vec<_>, Vec<_>) = request.globals.iter().partition(|update| whole(update));
        self.metrics.update_peer_globals.inc_by(taken.len() as u64);
        self.metrics.errors.invalid_request.inc_by(refused.len() as u64);
        Ok(())
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The part of the cluster's windows that belongs to the ring's own node: by its place among all, itself
/// included where it is not listed yet.
fn part(ring: &PeerSet) -> Part {
    let own = ring.own().as_ref();
    let others = ring.addresses().filter(|address| *address != own);
    let (mut pods, mut place) = (1, 0);
    for address in others {
        pods += 1;
        place += u32::from(address < own);
    }
    Part { pods, place }
}
