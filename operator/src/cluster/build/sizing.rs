//! How much memory a pod asks for, from how many buckets it holds.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity};

const MIB: i64 = 1 << 20;
/// A bucket with its key, its place in the index and its stamp.
const BUCKET_BYTES: i64 = 128;
/// The process itself, its connections and what is in flight, under ordinary load.
const BASE_BYTES: i64 = 64 * MIB;
/// A limit is so many requests: keys beyond 29 bytes have a block of their own, and with keys of some
/// hundred bytes a bucket is about twice as large. A pod beyond that is better ended than its node.
const LIMIT_FACTOR: i64 = 2;
/// Enough to answer some thousand requests a second; there is no limit, since being held up for
/// CPU is what callers would feel first.
pub(in crate::cluster) const CPU: &str = "100m";

/// What a pod with room for so many buckets needs, in MiB.
pub(in crate::cluster) fn memory_mib(capacity: i64) -> i64 {
    let bytes = capacity.max(0).saturating_mul(BUCKET_BYTES).saturating_add(BASE_BYTES);
    bytes / MIB + i64::from(bytes % MIB > 0)
}

/// What the daemon's container asks for.
pub(super) fn resources(capacity: i64) -> ResourceRequirements {
    let needed = memory_mib(capacity);
    let mib = |count: i64| Quantity(format!("{count}Mi"));
    ResourceRequirements {
        requests: Some(BTreeMap::from([
            ("cpu".to_owned(), Quantity(CPU.to_owned())),
            ("memory".to_owned(), mib(needed)),
        ])),
        limits: Some(BTreeMap::from([("memory".to_owned(), mib(needed.saturating_mul(LIMIT_FACTOR)))])),
        ..ResourceRequirements::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_capacity_in_whole_mebibytes() {
        for (capacity, mib) in [
            (0, 64),
            (1, 65),
            (8_192, 65),
            (8_193, 66),
            (1_000_000, 187),
            (1_000_000_000, 122_135),
            (i64::MAX, i64::MAX / MIB + 1),
            (-1, 64),
        ] {
            assert_eq!(memory_mib(capacity), mib, "{capacity}");
        }
    }

    #[test]
    fn there_is_a_memory_limit_and_no_cpu_limit() {
        let resources = resources(1_000_000);
        let text = |map: &Option<BTreeMap<String, Quantity>>| -> Vec<String> {
            map.iter().flatten().map(|(name, quantity)| format!("{name}={}", quantity.0)).collect()
        };
        assert_eq!(text(&resources.requests), ["cpu=100m", "memory=187Mi"]);
        assert_eq!(text(&resources.limits), ["memory=374Mi"]);
    }
}
