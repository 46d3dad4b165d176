//! The key of one bucket: name and unique_key, kept apart, in 32 bytes where they are short.
//!
//! A short key is one block of fixed size, padded with zeros, so that hashing and comparing it take
//! no loop over its length.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of name and unique_key together that need no allocation. With the two lengths and the tag
/// of [`Key`] they fill 32 bytes, half a cache line.
const INLINE: usize = 29;
/// The two lengths, then the bytes.
const BLOCK: usize = 2 + INLINE;

/// An owned key. `a_b` + `c` is not `a` + `b_c`: the length of the name is part of it.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Short([u8; BLOCK]),
    Long { name_len: u32, bytes: Box<[u8]> },
}

/// A key that is looked for, with its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe<'a> {
    pub(crate) hash: u64,
    parts: Parts<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Parts<'a> {
    Short([u8; BLOCK]),
    Long { name: &'a [u8], unique_key: &'a [u8] },
}

impl<'a> Probe<'a> {
    /// `seed` is the table's own, so that nobody outside can aim at one shard.
    #[inline]
    pub(crate) fn new(seed: u64, name: &'a str, unique_key: &'a str) -> Self {
        let (name, unique_key) = (name.as_bytes(), unique_key.as_bytes());
        match block(name, unique_key) {
            Some(block) => Self { hash: xxh3_64_with_seed(&block, seed), parts: Parts::Short(block) },
            None => Self { hash: long_hash(seed, name, unique_key), parts: Parts::Long { name, unique_key } },
        }
    }

    /// Whether `key` is the one.
    #[inline]
    pub(crate) fn is(&self, key: &Key) -> bool {
        match (key, &self.parts) {
            (Key::Short(own), Parts::Short(other)) => own == other,
            (Key::Long { .. }, Parts::Long { name, unique_key }) => key.parts() == (*name, *unique_key),
            _ => false,
        }
    }

    /// The key to keep; allocates only where it is long.
    pub(crate) fn to_key(self) -> Key {
        match self.parts {
            Parts::Short(block) => Key::Short(block),
            Parts::Long { name, unique_key } => Key::Long {
                // `Request::check_key` bounds the name far below 4 GiB.
                name_len: u32::try_from(name.len()).unwrap_or(u32::MAX),
                bytes: [name, unique_key].concat().into_boxed_slice(),
            },
        }
    }
}

impl Key {
    /// The key that no bucket has, for a slot without one.
    pub(crate) const VACANT: Self = Self::Short([0; BLOCK]);

    /// Both parts, as bytes of UTF-8.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Short([name_len, len, bytes @ ..]) => {
                bytes[..usize::from(*len)].split_at(usize::from(*name_len))
            }
            Self::Long { name_len, bytes } => bytes.split_at((*name_len as usize).min(bytes.len())),
        }
    }

    /// As that of the [`Probe`] that it was made from.
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        match self {
            Self::Short(block) => xxh3_64_with_seed(block, seed),
            Self::Long { .. } => {
                let (name, unique_key) = self.parts();
                long_hash(seed, name, unique_key)
            }
        }
    }
}

/// The block of a short key; `None` where it is long.
#[inline]
fn block(name: &[u8], unique_key: &[u8]) -> Option<[u8; BLOCK]> {
    let len = name.len() + unique_key.len();
    if len > INLINE {
        return None;
    }
    let mut block = [0; BLOCK];
    block[0] = u8::try_from(name.len()).ok()?;
    block[1] = u8::try_from(len).ok()?;
    block[2..][..name.len()].copy_from_slice(name);
    block[2 + name.len()..][..unique_key.len()].copy_from_slice(unique_key);
    Some(block)
}

fn long_hash(seed: u64, name: &[u8], unique_key: &[u8]) -> u64 {
    xxh3_64_with_seed(unique_key, xxh3_64_with_seed(name, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        for (name, unique_key) in [("a_b", "c"), ("a", "b_c"), ("n", "0123456789012345678901234567890123")] {
            let probe = Probe::new(7, name, unique_key);
            let key = probe.to_key();
            assert!(probe.is(&key));
            assert_eq!(key.parts(), (name.as_bytes(), unique_key.as_bytes()));
            assert_eq!(key.hash(7), probe.hash);
        }
        let key = Probe::new(7, "a_b", "c").to_key();
        assert!(!Probe::new(7, "a", "b_c").is(&key));
        assert!(!Probe::new(7, "a_b", "c\0").is(&key));
        assert_ne!(Probe::new(7, "ab", "c").hash, Probe::new(7, "a", "bc").hash);
    }

    #[test]
    fn a_key_is_half_a_cache_line() {
        assert_eq!(size_of::<Key>(), 32);
    }
}
