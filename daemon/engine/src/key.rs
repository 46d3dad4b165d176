//! The key of one bucket: name and unique_key, kept apart, in 32 bytes where they are short.

/// Bytes of name and unique_key together that need no allocation. With the two lengths and the tag
/// it fills 32 bytes, half a cache line.
const INLINE: usize = 29;

/// An owned key. `a_b` + `c` is not `a` + `b_c`: the length of the name is part of it.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Inline { name_len: u8, len: u8, bytes: [u8; INLINE] },
    Heap { name_len: u32, bytes: Box<[u8]> },
}

impl Key {
    /// The key that no bucket has, for a slot without one.
    pub(crate) const VACANT: Self = Self::Inline { name_len: 0, len: 0, bytes: [0; INLINE] };

    /// Copies both parts; allocates only where they are longer than [`INLINE`] together.
    pub(crate) fn new(name: &str, unique_key: &str) -> Self {
        let len = name.len() + unique_key.len();
        if let (Ok(name_len), Ok(short), true) = (u8::try_from(name.len()), u8::try_from(len), len <= INLINE)
        {
            let mut bytes = [0; INLINE];
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            bytes[name.len()..len].copy_from_slice(unique_key.as_bytes());
            return Self::Inline { name_len, len: short, bytes };
        }
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(unique_key.as_bytes());
        // `Request::check_key` bounds the name far below 4 GiB.
        let name_len = u32::try_from(name.len()).unwrap_or(u32::MAX);
        Self::Heap { name_len, bytes: bytes.into_boxed_slice() }
    }

    /// Both parts, as bytes of UTF-8.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Inline { name_len, len, bytes } => {
                bytes[..usize::from(*len)].split_at(usize::from(*name_len))
            }
            Self::Heap { name_len, bytes } => bytes.split_at((*name_len as usize).min(bytes.len())),
        }
    }

    /// Whether this is the key of these parts.
    #[inline]
    pub(crate) fn is(&self, name: &str, unique_key: &str) -> bool {
        let (own_name, own_key) = self.parts();
        own_name == name.as_bytes() && own_key == unique_key.as_bytes()
    }

    /// Whether no bucket lives under this key.
    pub(crate) const fn is_vacant(&self) -> bool {
        matches!(self, Self::Inline { len: 0, .. })
    }
}

/// Hashes both parts; `seed` is the table's own, so that nobody outside can aim at one shard.
#[inline]
pub(crate) fn hash(seed: u64, name: &[u8], unique_key: &[u8]) -> u64 {
    use xxhash_rust::xxh3::xxh3_64_with_seed;
    xxh3_64_with_seed(unique_key, xxh3_64_with_seed(name, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        for (name, unique_key) in [("a_b", "c"), ("a", "b_c"), ("n", "0123456789012345678901234567890123")] {
            let key = Key::new(name, unique_key);
            assert!(key.is(name, unique_key));
            assert_eq!(key.parts(), (name.as_bytes(), unique_key.as_bytes()));
            assert!(!key.is_vacant());
        }
        assert!(!Key::new("a_b", "c").is("a", "b_c"));
        assert!(!Key::new("ab", "c").is("a", "bc"));
        assert_ne!(hash(7, b"ab", b"c"), hash(7, b"a", b"bc"));
    }

    #[test]
    fn a_key_is_half_a_cache_line() {
        assert_eq!(size_of::<Key>(), 32);
    }
}
