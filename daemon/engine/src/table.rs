//! Key to bucket, for many threads: shards small enough that nothing done under a lock takes long,
//! and one count of entries that bounds them all.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bucket::Verdict;
use crate::key::Probe;
use crate::shard::{BLOCK, Effect, Shard};
use crate::{Hit, UnixMillis};

/// Entries a shard is made for. Growing, sweeping or searching one of this size takes microseconds,
/// and the smallest table that anybody serves from has some dozens, so that cores seldom meet.
const SHARD_ENTRIES: usize = 1024;
/// More shards than this no longer help anybody; beyond some 30 million entries each has more.
const MAX_SHARDS: usize = 1 << 15;
/// Blocks of slots swept under one lock: some hundred entries, a few microseconds.
const SWEEP_BLOCKS: usize = 4;

/// A shard on cache lines of its own, so that a core that works on one does not disturb its
/// neighbours.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// Figures of a table since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Entries now, dead ones that nobody has met yet included.
    pub entries: usize,
    /// Hits that found their key alive.
    pub found: u64,
    /// Hits that did not.
    pub missed: u64,
    /// Live entries that were dropped to make room.
    pub evicted_live: u64,
    /// Dead entries that were replaced, swept or dropped to make room.
    pub expired: u64,
}

/// The buckets of one node, at most `capacity` of them; the least recently used goes first.
///
/// With more than one shard (from some two thousand entries on) the one that goes is the least
/// recently used of the shard that needs the room; hashing makes a shard a fair sample of the whole.
#[derive(Debug)]
pub struct Table {
    seed: u64,
    shards: Box<[Padded]>,
    capacity: usize,
    entries: AtomicUsize,
    next_swept: AtomicUsize,
}

impl Table {
    /// A table of at most `capacity` entries (at least one).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::with_seed(capacity, RandomState::new().hash_one(capacity))
    }

    /// As [`Table::new`], with the seed that decides which key lies in which shard: for a simulator
    /// that must run the same way twice. Whoever serves strangers keeps it secret.
    #[must_use]
    pub fn with_seed(capacity: usize, seed: u64) -> Self {
        let capacity = capacity.max(1);
        let shards = (capacity / SHARD_ENTRIES).next_power_of_two().min(MAX_SHARDS);
        Self {
            seed,
            shards: (0..shards).map(|_| Padded(Mutex::new(Shard::new(seed)))).collect(),
            capacity,
            entries: AtomicUsize::new(0),
            next_swept: AtomicUsize::new(0),
        }
    }

    /// Decides one hit: the key's bucket is found or opened, asked, and kept.
    ///
    /// Allocates nothing for a key that exists.
    pub fn hit(&self, hit: &Hit<'_>) -> Verdict {
        let probe = Probe::new(self.seed, hit.name, hit.unique_key);
        let home = self.home(probe.hash);
        let mut shard = lock(&self.shards[home]);
        let (effect, verdict) = shard.hit(&probe, hit);
        match effect {
            Effect::Found | Effect::Passed | Effect::Created { grown: false } => {}
            Effect::Dropped => {
                self.entries.fetch_sub(1, Relaxed);
            }
            Effect::Created { grown: true } => {
                if self.entries.fetch_add(1, Relaxed) >= self.capacity {
                    // The newest entry is this hit's own: it only goes if the shard has no other.
                    if shard.len() > 1 {
                        shard.evict(hit.at);
                        self.entries.fetch_sub(1, Relaxed);
                    } else {
                        drop(shard);
                        self.evict_elsewhere(home, hit.at);
                    }
                }
            }
        }
        verdict
    }

    /// Drops entries that are dead at `now`, looking at up to `budget` of them, a few hundred under
    /// each lock, and going on where the last call ended. Returns how many it dropped.
    ///
    /// Where hits may be dated back, `now` must lie as far back, or such a hit finds its bucket gone.
    pub fn sweep(&self, now: UnixMillis, budget: usize) -> usize {
        let mut dropped = 0;
        let mut looked_at = 0;
        let mut ended = 0;
        while looked_at < budget && ended < self.shards.len() {
            let at = self.next_swept.load(Relaxed) % self.shards.len();
            let mut shard = lock(&self.shards[at]);
            looked_at += shard.len().clamp(1, SWEEP_BLOCKS * BLOCK);
            let (gone, done) = shard.sweep(now, SWEEP_BLOCKS);
            dropped += gone;
            self.entries.fetch_sub(gone, Relaxed);
            if done {
                ended += 1;
                self.next_swept.store(at + 1, Relaxed);
            }
        }
        dropped
    }

    /// Entries now, dead ones that nobody has met yet included; never above [`Table::capacity`] once
    /// every hit under way has returned.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.load(Relaxed)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most entries that it holds.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Figures, added up shard by shard.
    #[must_use]
    pub fn stats(&self) -> TableStats {
        let mut stats = TableStats { entries: self.len(), ..TableStats::default() };
        for shard in &self.shards {
            let counts = lock(shard).counts();
            stats.found += counts.found;
            stats.missed += counts.missed;
            stats.evicted_live += counts.evicted_live;
            stats.expired += counts.expired;
        }
        stats
    }

    /// Makes room in the next shard that has an entry.
    fn evict_elsewhere(&self, home: usize, now: UnixMillis) {
        for step in 1..self.shards.len() {
            let shard = &self.shards[(home + step) % self.shards.len()];
            if lock(shard).evict(now) {
                self.entries.fetch_sub(1, Relaxed);
                return;
            }
        }
    }

    /// The middle of the hash: its ends are what the index of a shard uses.
    const fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.shards.len() - 1)
    }
}

/// A panic under the lock would be a bug of ours in one bucket; the others are whole.
fn lock(Padded(shard): &Padded) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
