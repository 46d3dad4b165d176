//! One shard of the table: an index, slots in blocks, and a list by last use. It knows no lock and
//! no other shard.

use hashbrown::HashTable;

use crate::bucket::{Bucket, Keep, Verdict};
use crate::key::{Key, Probe};
use crate::{Hit, UnixMillis};

/// Slots a block. Blocks are never moved, so a shard grows by one small allocation instead of
/// copying itself into twice the space; half a block is what it wastes on average.
const BLOCK: usize = 64;
/// No slot.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Slot {
    key: Key,
    bucket: Bucket,
    /// The slot used just before this one, or the next free one.
    older: u32,
    newer: u32,
}

/// What a hit did to the shard, beside its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The key was there, and still is.
    Found,
    /// The key was not there, or dead, and now is: one entry more, or the dead one's place taken.
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

/// Keys to buckets, with the order of their last use.
#[derive(Debug)]
pub(crate) struct Shard {
    seed: u64,
    index: HashTable<u32>,
    blocks: Vec<Box<[Slot]>>,
    free: u32,
    oldest: u32,
    newest: u32,
    cursor: usize,
    counts: Counts,
}

impl Shard {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            seed,
            index: HashTable::new(),
            blocks: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
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
            self.insert(probe.hash, probe.to_key(), bucket);
            return (Effect::Created { grown: true }, verdict);
        };
        self.touch(at);
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
        let at = self.oldest;
        if at == NONE {
            return false;
        }
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
        for at in self.cursor * BLOCK..end * BLOCK {
            // A shard holds fewer than 2^32 slots, see `insert`.
            let at = u32::try_from(at).unwrap_or(NONE);
            let slot = slot(&self.blocks, at);
            if !slot.key.is_vacant() && !slot.bucket.is_live(now) {
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

    /// Gives memory back once three quarters of the slots are free. A shard is small, so moving
    /// what is left takes microseconds.
    fn shrink(&mut self) {
        let slots = self.blocks.len() * BLOCK;
        if self.blocks.len() < 4 || self.len() > slots / 4 {
            return;
        }
        let mut smaller = Self::new(self.seed);
        smaller.counts = self.counts;
        let mut at = self.oldest;
        while at != NONE {
            let hash = self.hash_of(at);
            let slot = slot_mut(&mut self.blocks, at);
            at = slot.newer;
            let key = std::mem::replace(&mut slot.key, Key::VACANT);
            smaller.insert(hash, key, slot.bucket);
        }
        *self = smaller;
    }

    fn hash_of(&self, at: u32) -> u64 {
        hash_of(&self.blocks, self.seed, at)
    }

    fn insert(&mut self, hash: u64, key: Key, bucket: Bucket) {
        if self.free == NONE {
            self.grow();
        }
        let at = self.free;
        let older = self.newest;
        let slot_ref = slot_mut(&mut self.blocks, at);
        self.free = slot_ref.older;
        *slot_ref = Slot { key, bucket, older, newer: NONE };
        if older == NONE {
            self.oldest = at;
        } else {
            slot_mut(&mut self.blocks, older).newer = at;
        }
        self.newest = at;
        let (blocks, seed) = (&self.blocks, self.seed);
        self.index.insert_unique(hash, at, |&at| hash_of(blocks, seed, at));
    }

    /// One block more, its slots strung on the free list.
    fn grow(&mut self) {
        let first = u32::try_from(self.blocks.len() * BLOCK).unwrap_or(NONE);
        let block = (0..BLOCK)
            .zip(first..)
            .map(|(nth, at)| Slot {
                key: Key::VACANT,
                bucket: Bucket::VACANT,
                older: if nth + 1 == BLOCK { NONE } else { at + 1 },
                newer: NONE,
            })
            .collect();
        self.blocks.push(block);
        self.free = first;
    }

    fn remove(&mut self, hash: u64, at: u32) {
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
        self.unlink(at);
        let free = self.free;
        let slot = slot_mut(&mut self.blocks, at);
        (slot.key, slot.older, slot.newer) = (Key::VACANT, free, NONE);
        self.free = at;
    }

    /// Makes `at` the newest.
    #[inline]
    fn touch(&mut self, at: u32) {
        if self.newest == at {
            return;
        }
        self.unlink(at);
        let older = self.newest;
        let slot = slot_mut(&mut self.blocks, at);
        (slot.older, slot.newer) = (older, NONE);
        // `at` is not the newest and is listed, so there is one.
        slot_mut(&mut self.blocks, older).newer = at;
        self.newest = at;
    }

    fn unlink(&mut self, at: u32) {
        let Slot { older, newer, .. } = *slot(&self.blocks, at);
        if older == NONE {
            self.oldest = newer;
        } else {
            slot_mut(&mut self.blocks, older).newer = newer;
        }
        if newer == NONE {
            self.newest = older;
        } else {
            slot_mut(&mut self.blocks, newer).older = older;
        }
    }
}

fn hash_of(blocks: &[Box<[Slot]>], seed: u64, at: u32) -> u64 {
    slot(blocks, at).key.hash(seed)
}

#[inline]
fn slot(blocks: &[Box<[Slot]>], at: u32) -> &Slot {
    &blocks[at as usize / BLOCK][at as usize % BLOCK]
}

#[inline]
fn slot_mut(blocks: &mut [Box<[Slot]>], at: u32) -> &mut Slot {
    &mut blocks[at as usize / BLOCK][at as usize % BLOCK]
}
