//! One shard of the table: an index, slots in blocks, and when each slot was last used. It knows no
//! lock and no other shard.

use hashbrown::HashTable;

use crate::bucket::{Bucket, Keep, Verdict};
use crate::key::{Key, Probe};
use crate::{Hit, UnixMillis};

/// Slots a block. Blocks are never moved, so a shard grows by one small allocation instead of
/// copying itself into twice the space; half a block is what it wastes on average. So many slots
/// fill 4 KiB, a size that allocators have.
pub(crate) const BLOCK: usize = 42;
/// Slots have 16-bit numbers, which keeps the index small; a shard that runs out of them evicts.
type At = u16;
const MAX_SLOTS: usize = At::MAX as usize + 1;
/// The stamp of a slot without a bucket.
const VACANT: u32 = 0;

#[derive(Clone, Debug)]
struct Slot {
    key: Key,
    bucket: Bucket,
}

/// Boxed, so that growing moves pointers and not slots.
type Blocks = Vec<Box<[Slot; BLOCK]>>;

/// What a hit did to the shard, beside its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The key was there, and still is.
    Found,
    /// The key was not there, or dead, and now is: one entry more, or another's place taken.
    Created { grown: bool },
    /// The key was there and is gone.
    Dropped,
    /// The key was not there and nothing was kept.
    Passed,
}

/// Counters since the shard was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) found: u64,
    pub(crate) missed: u64,
    pub(crate) evicted_live: u64,
    pub(crate) expired: u64,
}

/// Keys to buckets, and the order of their last use.
///
/// That order is a stamp a slot, not a list: a hit writes one number beside its bucket, where a list
/// would write to its neighbours too, which at ten million keys are three more misses of every cache
/// and between cores three more lines to fetch. Who goes first is looked up when somebody must go,
/// in an array that is small and lies in one piece.
#[derive(Debug)]
pub(crate) struct Shard {
    seed: u64,
    index: HashTable<At>,
    blocks: Blocks,
    used: Vec<u32>,
    free: Vec<At>,
    uses: u32,
    cursor: usize,
    counts: Counts,
}

impl Shard {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            seed,
            index: HashTable::new(),
            blocks: Vec::new(),
            used: Vec::new(),
            free: Vec::new(),
            uses: VACANT,
            cursor: 0,
            counts: Counts { found: 0, missed: 0, evicted_live: 0, expired: 0 },
        }
    }

    /// Answers one hit, whose key is `probe`.
    #[inline]
    pub(crate) fn hit(&mut self, probe: &Probe<'_>, hit: &Hit<'_>) -> (Effect, Verdict) {
        let blocks = &self.blocks;
        let found = self.index.find(probe.hash, |&at| probe.is(&slot(blocks, at).key));
        let Some(&at) = found else {
            self.counts.missed += 1;
            let (opened, verdict) = Bucket::open(hit);
            let Some(bucket) = opened else { return (Effect::Passed, verdict) };
            let stamp = self.stamp();
            let grown = self.insert(probe.hash, probe.to_key(), bucket, stamp, hit.at);
            return (Effect::Created { grown }, verdict);
        };
        self.used[usize::from(at)] = self.stamp();
        let bucket = &mut slot_mut(&mut self.blocks, at).bucket;
        if !bucket.is_live(hit.at) {
            self.counts.missed += 1;
            let (opened, verdict) = Bucket::open(hit);
            let Some(opened) = opened else { return (Effect::Passed, verdict) };
            *bucket = opened;
            self.counts.expired += 1;
            return (Effect::Created { grown: false }, verdict);
        }
        self.counts.found += 1;
        let (keep, verdict) = bucket.apply(hit);
        if keep == Keep::Dropped {
            self.remove(probe.hash, at);
            return (Effect::Dropped, verdict);
        }
        (Effect::Found, verdict)
    }

    /// Drops the entry that was not used for the longest time; `false` where there is none.
    pub(crate) fn evict(&mut self, now: UnixMillis) -> bool {
        let Some(at) = self.oldest() else { return false };
        if slot(&self.blocks, at).bucket.is_live(now) {
            self.counts.evicted_live += 1;
        } else {
            self.counts.expired += 1;
        }
        self.remove(self.hash_of(at), at);
        true
    }

    /// Looks at up to `blocks` further blocks and drops what is dead at `now`. Returns how many
    /// entries it dropped, and whether it has come to the end of the shard.
    pub(crate) fn sweep(&mut self, now: UnixMillis, blocks: usize) -> (usize, bool) {
        let end = (self.cursor + blocks).min(self.blocks.len());
        let mut dropped = 0;
        for at in self.cursor * BLOCK..(end * BLOCK).min(self.used.len()) {
            if self.used[at] == VACANT {
                continue;
            }
            let at = number(at);
            if !slot(&self.blocks, at).bucket.is_live(now) {
                self.remove(self.hash_of(at), at);
                dropped += 1;
            }
        }
        self.counts.expired += dropped as u64;
        self.cursor = end;
        let done = end >= self.blocks.len();
        if done {
            self.cursor = 0;
            self.shrink();
        }
        (dropped, done)
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// The stamp of one more use. Ages are differences, so going round after 2^32 uses is harmless.
    #[inline]
    const fn stamp(&mut self) -> u32 {
        self.uses = self.uses.wrapping_add(1);
        if self.uses == VACANT {
            self.uses += 1;
        }
        self.uses
    }

    /// The slot that was not used for the longest time.
    fn oldest(&self) -> Option<At> {
        let age =
            |&stamp: &u32| if stamp == VACANT { 0 } else { self.uses.wrapping_sub(stamp).saturating_add(1) };
        let most = self.used.iter().map(age).max().filter(|&most| most > 0)?;
        self.used.iter().position(|stamp| age(stamp) == most).map(number)
    }

    /// Gives memory back once three quarters of the slots are free. A shard is small, so moving
    /// what is left takes microseconds.
    fn shrink(&mut self) {
        if self.blocks.len() < 4 || self.len() > self.blocks.len() * BLOCK / 4 {
            return;
        }
        let mut smaller = Self::new(self.seed);
        (smaller.counts, smaller.uses) = (self.counts, self.uses);
        for (at, &stamp) in self.used.iter().enumerate().filter(|&(_, &stamp)| stamp != VACANT) {
            let slot = slot_mut(&mut self.blocks, number(at));
            let key = std::mem::replace(&mut slot.key, Key::VACANT);
            // A quarter of the slots always fits.
            smaller.insert(key.hash(self.seed), key, slot.bucket, stamp, UnixMillis::MAX);
        }
        *self = smaller;
    }

    fn hash_of(&self, at: At) -> u64 {
        slot(&self.blocks, at).key.hash(self.seed)
    }

    /// Adds an entry; `false` where another had to go, as the shard can grow no more.
    fn insert(&mut self, hash: u64, key: Key, bucket: Bucket, stamp: u32, now: UnixMillis) -> bool {
        let grown = !self.free.is_empty() || self.used.len() < MAX_SLOTS || !self.evict(now);
        let at = self.free.pop().unwrap_or_else(|| self.grow());
        *slot_mut(&mut self.blocks, at) = Slot { key, bucket };
        self.used[usize::from(at)] = stamp;
        let (blocks, seed) = (&self.blocks, self.seed);
        self.index.insert_unique(hash, at, |&at| slot(blocks, at).key.hash(seed));
        grown
    }

    /// One slot more, and a block where the last is full.
    fn grow(&mut self) -> At {
        let at = self.used.len();
        if at == self.blocks.len() * BLOCK {
            const EMPTY: Slot = Slot { key: Key::VACANT, bucket: Bucket::VACANT };
            self.blocks.push(Box::new([EMPTY; BLOCK]));
        }
        self.used.push(VACANT);
        number(at)
    }

    fn remove(&mut self, hash: u64, at: At) {
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
        // A long key's memory goes now, not when the slot is used again.
        slot_mut(&mut self.blocks, at).key = Key::VACANT;
        self.used[usize::from(at)] = VACANT;
        self.free.push(at);
    }
}

/// The number of a slot: `insert` makes no more than have one.
#[inline]
fn number(at: usize) -> At {
    At::try_from(at).unwrap_or(At::MAX)
}

#[inline]
fn slot(blocks: &Blocks, at: At) -> &Slot {
    &blocks[usize::from(at) / BLOCK][usize::from(at) % BLOCK]
}

#[inline]
fn slot_mut(blocks: &mut Blocks, at: At) -> &mut Slot {
    &mut blocks[usize::from(at) / BLOCK][usize::from(at) % BLOCK]
}

#[cfg(test)]
mod tests;
