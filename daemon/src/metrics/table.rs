//! The engine's table counts for itself; here its figures are read when somebody looks.

use std::sync::{Mutex, PoisonError};

use prometheus::{
    IntCounter, IntCounterVec, IntGauge, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// A table's figures since it was made, `engine::TableStats` in the metrics' words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableReading {
    /// Entries now.
    pub entries: usize,
    /// Hits that found their key alive.
    pub hits: u64,
    /// Hits that did not.
    pub misses: u64,
    /// Live entries dropped to make room.
    pub evicted_live: u64,
    /// Dead entries reclaimed.
    pub expired: u64,
}

impl From<engine::TableStats> for TableReading {
    fn from(stats: engine::TableStats) -> Self {
        Self {
            entries: stats.entries,
            hits: stats.found,
            misses: stats.missed,
            evicted_live: stats.evicted_live,
            expired: stats.expired,
        }
    }
}

pub(super) struct TableCollector<F> {
    read: F,
    // Two scrapes at once must not set the counters between each other's steps.
    families: Mutex<TableFamilies>,
}

struct TableFamilies {
    size: IntGauge,
    access: IntCounterVec,
    hits: IntCounter,
    misses: IntCounter,
    evicted: IntCounter,
    expired: IntCounter,
}

impl<F: Fn() -> TableReading> TableCollector<F> {
    pub(super) fn new(read: F) -> Result<Self, prometheus::Error> {
        let access = IntCounterVec::new(
            Opts::new("gubernator_cache_access_count", "Look-ups of a bucket that found it, or did not."),
            &["type"],
        )?;
        let families = TableFamilies {
            size: IntGauge::new("gubernator_cache_size", "Buckets held.")?,
            hits: access.with_label_values(&["hit"]),
            misses: access.with_label_values(&["miss"]),
            access,
            evicted: IntCounter::new(
                "gubernator_unexpired_evictions_count",
                "Live buckets dropped to make room; more than a few mean that GUBER_CACHE_SIZE is too small.",
            )?,
            expired: IntCounter::new("wicketgate_cache_expired_total", "Dead buckets reclaimed.")?,
        };
        Ok(Self { read, families: Mutex::new(families) })
    }
}

impl<F: Fn() -> TableReading + Send + Sync> Collector for TableCollector<F> {
    fn desc(&self) -> Vec<&Desc> {
        // None are told beforehand, so the registry does not check them; a test does.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let reading = (self.read)();
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        families.size.set(i64::try_from(reading.entries).unwrap_or(i64::MAX));
        for (counter, total) in [
            (&families.hits, reading.hits),
            (&families.misses, reading.misses),
            (&families.evicted, reading.evicted_live),
            (&families.expired, reading.expired),
        ] {
            counter.reset();
            counter.inc_by(total);
        }
        let mut collected = families.size.collect();
        collected.extend(families.access.collect());
        collected.extend(families.evicted.collect());
        collected.extend(families.expired.collect());
        collected
    }
}
