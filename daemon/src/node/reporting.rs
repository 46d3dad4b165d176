//! What a node says of itself to the operator, and who is woken when it changes.

use crds::report::{PodReport, PolicyReport, Refusal};
use engine::RingHash;
use tokio::sync::watch;
use xxhash_rust::xxh3::Xxh3;

use crate::peers::PeerSet;

/// The report as it is, without its numbers: they change all the time, and wake nobody.
#[derive(Debug)]
pub(super) struct Reporting {
    hash: RingHash,
    report: watch::Sender<PodReport>,
}

impl Reporting {
    pub(super) fn new(hash: RingHash, ring: &PeerSet) -> Self {
        let reporting = Self { hash, report: watch::Sender::default() };
        reporting.ring(ring);
        reporting
    }

    pub(super) fn ring(&self, ring: &PeerSet) {
        let peers = u32::try_from(ring.addresses().count()).unwrap_or(u32::MAX);
        let ring = render_ring(self.hash, ring.addresses());
        self.change(|report| {
            report.peers = peers;
            report.ring = ring;
        });
    }

    /// A document is in force, which ends the matter of any other that was refused.
    pub(super) fn took(&self, revision: &str) {
        self.change(|report| {
            revision.clone_into(&mut report.revision);
            report.refused = None;
        });
    }

    pub(super) fn refused(&self, refused: Option<Refusal>) {
        self.change(|report| report.refused = refused);
    }

    /// How the policies are; of their numbers it is kept that they are there.
    pub(super) fn policies(&self, policies: Vec<PolicyReport>) {
        self.change(|report| {
            report.policies = policies;
            *report = report.without_numbers();
        });
    }

    pub(super) fn leaves(&self) {
        self.change(|report| report.draining = true);
    }

    pub(super) fn report(&self, buckets: i64) -> PodReport {
        PodReport { buckets, ..self.report.borrow().clone() }
    }

    pub(super) fn changes(&self) -> watch::Receiver<PodReport> {
        self.report.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut PodReport)) {
        self.report.send_if_modified(|report| {
            let before = report.clone();
            change(report);
            *report != before
        });
    }
}

/// Two nodes with the same text agree on the owner of every key: it is made of the addresses, in
/// order, and of the hash by which they lie on the ring.
fn render_ring<'a>(hash: RingHash, addresses: impl Iterator<Item = &'a str>) -> String {
    let mut digest = Xxh3::new();
    digest.update(format!("{hash:?}").as_bytes());
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_unstable();
    for address in addresses {
        digest.update(b"\n");
        digest.update(address.as_bytes());
    }
    format!("{:016x}", digest.digest())
}

#[cfg(test)]
mod tests {
    use crds::decimal::Decimal;
    use crds::duration::GoDuration;
    use crds::report::SignalReport;

    use super::*;

    #[test]
    fn rings_are_equal_where_their_members_and_their_hash_are() {
        let xxh3 = |addresses: &[&'static str]| render_ring(RingHash::Xxh3, addresses.iter().copied());
        assert_eq!(xxh3(&["a:1", "b:1"]), xxh3(&["b:1", "a:1"]));
        assert_ne!(xxh3(&["a:1", "b:1"]), xxh3(&["a:1"]));
        assert_ne!(xxh3(&["a:1"]), render_ring(RingHash::Fnv1, ["a:1"].into_iter()));
        assert_eq!(xxh3(&[]).len(), 16);
    }

    #[test]
    fn numbers_of_policies_wake_nobody() {
        let ring = PeerSet::new(RingHash::Xxh3, "a:1".into(), true, Vec::new());
        let reporting = Reporting::new(RingHash::Xxh3, &ring);
        let policy = |window, throttling| PolicyReport {
            source: crds::reference::ObjectName { namespace: "shop".into(), name: "search".into() },
            problem: String::new(),
            outdated: String::new(),
            window,
            max: 10,
            in_flight: window / 2,
            allowance: crds::decimal::Decimal::from_integer(window),
            throttling,
            signals: Vec::new(),
        };
        let heard = |value: i64| {
            let value = Some(Decimal::from_integer(value));
            let age = Some(GoDuration::ZERO);
            SignalReport { name: "load".into(), value, age, error: String::new(), lost: false }
        };
        reporting.policies(vec![policy(1, false)]);
        let mut changes = reporting.changes();
        reporting.policies(vec![policy(7, false)]);
        assert!(!changes.has_changed().unwrap());
        reporting.policies(vec![policy(7, true)]);
        assert!(changes.has_changed().unwrap());
        let silent = SignalReport { value: None, age: None, ..heard(0) };
        reporting.policies(vec![PolicyReport { signals: vec![silent], ..policy(7, true) }]);
        changes.mark_unchanged();
        reporting.policies(vec![PolicyReport { signals: vec![heard(1)], ..policy(7, true) }]);
        assert!(changes.has_changed().unwrap(), "the first value is news");
        changes.mark_unchanged();
        reporting.policies(vec![PolicyReport { signals: vec![heard(2)], ..policy(7, true) }]);
        assert!(!changes.has_changed().unwrap());
        reporting
            .policies(vec![PolicyReport { outdated: "the certificate is none".into(), ..policy(7, true) }]);
        assert!(changes.has_changed().unwrap());
    }

    #[test]
    fn only_what_changes_wakes() {
        let ring = PeerSet::new(RingHash::Xxh3, "a:1".into(), true, Vec::new());
        let reporting = Reporting::new(RingHash::Xxh3, &ring);
        let mut changes = reporting.changes();
        reporting.ring(&ring);
        assert!(!changes.has_changed().unwrap());
        reporting.refused(Some(Refusal { revision: "2".to_owned(), reason: "bad".to_owned() }));
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        reporting.took("3");
        assert!(changes.has_changed().unwrap());
        let report = reporting.report(7);
        assert_eq!(
            (report.revision.as_str(), report.refused, report.peers, report.buckets),
            ("3", None, 1, 7)
        );
    }
}
