//! Who owns a key: a consistent-hash ring, with Gubernator's bytes where a cluster wants them.
//!
//! Every peer has [`REPLICAS`] points, the hashes of `0`, `1`, … each followed by the MD5 of its
//! address in lowercase hexadecimal. A key's owner is the peer of the first point that is not below
//! the hash of `name_uniquekey`, and of the lowest point where there is none. Daemons that know the
//! same addresses, in whatever order, therefore agree.
//!
//! A lookup goes through an index by the hash's top bits to a handful of neighbouring points: two
//! cache misses on a ring of a hundred peers, where a binary search has about ten.

mod hash;

pub use hash::{RingHash, UnknownHash};

use std::collections::BTreeMap;

use md5::{Digest, Md5};

/// Points a peer has on the ring.
pub const REPLICAS: usize = 512;

/// One point: 16 bytes, so that hash and owner come in one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    hash: u64,
    peer: u32,
}

/// Peers on a ring, each with what the caller keeps for it (`P`). Never changed, only replaced.
#[derive(Clone, Debug)]
pub struct Ring<P> {
    hash: RingHash,
    /// By address, so that nothing depends on the order in which peers were told.
    peers: Vec<(String, P)>,
    points: Vec<Point>,
    /// `index[b]` is the first point whose top bits are `b` or more; one entry beyond the last.
    index: Vec<u32>,
    /// By how much a hash is shifted to its place in the index.
    shift: u32,
}

impl<P> Ring<P> {
    /// A ring of these peers, by address. An address given twice counts once, the first time.
    #[must_use]
    pub fn new(hash: RingHash, peers: impl IntoIterator<Item = (String, P)>) -> Self {
        let mut by_address = BTreeMap::new();
        for (address, peer) in peers {
            by_address.entry(address).or_insert(peer);
        }
        let peers: Vec<(String, P)> = by_address.into_iter().collect();
        let mut points: Vec<Point> = (0_u32..)
            .zip(&peers)
            .flat_map(|(peer, (address, _))| points_of(hash, address).map(move |hash| Point { hash, peer }))
            .collect();
        // Of equal points the lower address wins, since peers are numbered by address.
        points.sort_unstable();
        let bits = points.len().max(2).next_power_of_two().ilog2();
        let shift = u64::BITS - bits;
        let index = build_index(&points, bits, shift);
        Self { hash, peers, points, index, shift }
    }

    /// The peer that owns this key, or `None` where the ring is empty.
    #[must_use]
    pub fn owner(&self, name: &str, unique_key: &str) -> Option<&P> {
        if let [(_, only)] = self.peers.as_slice() {
            return Some(only);
        }
        let point = self.points.get(self.position(self.hash.of_key(name, unique_key)))?;
        self.peers.get(point.peer as usize).map(|(_, peer)| peer)
    }

    /// The owner of this key, then every other peer once, in the order in which they would own it if
    /// those before them were gone.
    #[must_use]
    pub fn successors(&self, name: &str, unique_key: &str) -> Successors<'_, P> {
        let start = self.position(self.hash.of_key(name, unique_key));
        let (before, after) = self.points.split_at(start.min(self.points.len()));
        Successors {
            peers: &self.peers,
            rest: after.iter().chain(before),
            seen: vec![false; self.peers.len()],
        }
    }

    /// How many peers there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether nobody owns anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Every peer with its address, ordered by address.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = (&str, &P)> {
        self.peers.iter().map(|(address, peer)| (address.as_str(), peer))
    }

    /// The hash that orders this ring.
    #[must_use]
    pub const fn hash(&self) -> RingHash {
        self.hash
    }

    /// Points a peer has.
    #[must_use]
    pub const fn replicas(&self) -> usize {
        REPLICAS
    }

    /// Where the first point at or beyond `hash` stands; 0 beyond the last.
    fn position(&self, hash: u64) -> usize {
        // Both are there: `build_index` made one entry for every value of the top bits, and one more.
        let top = (hash >> self.shift) as usize;
        let first = self.index.get(top).map_or(0, |&at| at as usize);
        let end = self.index.get(top + 1).map_or(first, |&at| at as usize);
        let below =
            self.points.get(first..end).map_or(0, |near| near.partition_point(|point| point.hash < hash));
        let position = first + below;
        if position == self.points.len() { 0 } else { position }
    }
}

/// The peers of [`Ring::successors`].
#[derive(Clone, Debug)]
pub struct Successors<'a, P> {
    peers: &'a [(String, P)],
    rest: std::iter::Chain<std::slice::Iter<'a, Point>, std::slice::Iter<'a, Point>>,
    seen: Vec<bool>,
}

impl<'a, P> Iterator for Successors<'a, P> {
    type Item = &'a P;

    fn next(&mut self) -> Option<Self::Item> {
        let seen = &mut self.seen;
        let point = self.rest.find(|point| {
            seen.get_mut(point.peer as usize).is_some_and(|seen| !std::mem::replace(seen, true))
        })?;
        self.peers.get(point.peer as usize).map(|(_, peer)| peer)
    }
}

/// The hashes of a peer's points.
fn points_of(hash: RingHash, address: &str) -> impl Iterator<Item = u64> {
    let mark = Md5::digest(address.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    (0..REPLICAS).map(move |replica| hash.of(format!("{replica}{mark}").as_bytes()))
}

fn build_index(points: &[Point], bits: u32, shift: u32) -> Vec<u32> {
    let mut index = Vec::with_capacity((1 << bits) + 1);
    let mut position = 0_u32;
    let mut rest = points.iter().peekable();
    for top in 0..=(1_u64 << bits) {
        while rest.next_if(|point| point.hash >> shift < top).is_some() {
            position += 1;
        }
        index.push(position);
    }
    index
}

#[cfg(test)]
mod tests;
