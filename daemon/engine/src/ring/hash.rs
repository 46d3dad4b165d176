//! The hashes that can order a ring.

use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;

/// Keys up to this length are hashed from the stack in one go.
const SHORT_KEY: usize = 256;

/// The hash of a ring. All daemons of a cluster must have the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RingHash {
    /// FNV-1, 64 bits: Gubernator's, where nothing is configured. Ids in sequence crowd on few peers.
    Fnv1,
    /// FNV-1a, 64 bits: Gubernator's `replicated-hash`. Skewed likewise.
    Fnv1a,
    /// XXH3, 64 bits: no skew, whatever the keys look like.
    #[default]
    Xxh3,
}

/// A ring hash that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown ring hash '{0}'; give 'fnv1', 'fnv1a' or 'xxh3'")]
pub struct UnknownHash(pub String);

impl RingHash {
    /// The name that configuration knows it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fnv1 => "fnv1",
            Self::Fnv1a => "fnv1a",
            Self::Xxh3 => "xxh3",
        }
    }

    /// The hash of some bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> u64 {
        match self {
            Self::Fnv1 => fnv1(FNV_OFFSET, bytes),
            Self::Fnv1a => fnv1a(FNV_OFFSET, bytes),
            Self::Xxh3 => xxh3_64(bytes),
        }
    }

    /// The hash of `name_uniquekey`, without putting it together in memory.
    #[must_use]
    pub fn of_key(self, name: &str, unique_key: &str) -> u64 {
        let (name, key) = (name.as_bytes(), unique_key.as_bytes());
        match self {
            Self::Fnv1 => fnv1(fnv1(fnv1(FNV_OFFSET, name), b"_"), key),
            Self::Fnv1a => fnv1a(fnv1a(fnv1a(FNV_OFFSET, name), b"_"), key),
            Self::Xxh3 => xxh3_key(name, key),
        }
    }
}

impl fmt::Display for RingHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for RingHash {
    type Err = UnknownHash;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Fnv1, Self::Fnv1a, Self::Xxh3]
            .into_iter()
            .find(|hash| hash.name() == name)
            .ok_or_else(|| UnknownHash(name.to_owned()))
    }
}

fn fnv1(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, &byte| hash.wrapping_mul(FNV_PRIME) ^ u64::from(byte))
}

fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

fn xxh3_key(name: &[u8], key: &[u8]) -> u64 {
    let mut joined = [0_u8; SHORT_KEY];
    let len = name.len() + 1 + key.len();
    if let Some(text) = joined.get_mut(..len) {
        let (front, rest) = text.split_at_mut(name.len());
        front.copy_from_slice(name);
        if let Some((underscore, back)) = rest.split_first_mut() {
            *underscore = b'_';
            back.copy_from_slice(key);
        }
        return xxh3_64(text);
    }
    // The streaming state is larger than a long key is common.
    let mut state = Xxh3::new();
    state.update(name);
    state.update(b"_");
    state.update(key);
    state.digest()
}
