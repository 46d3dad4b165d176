//! Where signals stand, read when somebody looks, under throttle-proxy's names where it has them.

use std::sync::{Mutex, PoisonError};

use engine::aimd::{SignalStats, Thresholds};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

/// Whether metrics of policies say which policy they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyLabel {
    /// They do: `policy`, as `namespace/name`.
    Shown,
    /// They do not, as throttle-proxy's, which has one policy.
    Hidden,
}

/// One signal of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalReading {
    /// The policy, as `namespace/name`.
    pub policy: String,
    /// The signal's name.
    pub name: String,
    /// What its value is compared with.
    pub thresholds: Option<Thresholds>,
    /// Where it stands.
    pub stats: SignalStats,
}

/// Shows signals as they stand at each scrape.
#[allow(missing_debug_implementations, reason = "a closure has none")]
pub struct SignalCollector<F> {
    read: F,
    label: PolicyLabel,
    families: SignalFamilies,
    /// Two scrapes at once must not change the children between each other's steps.
    scraping: Mutex<()>,
}

struct SignalFamilies {
    warn: GaugeVec,
    emergency: GaugeVec,
    value: GaugeVec,
    errors: IntCounterVec,
    age: GaugeVec,
    lost: IntGaugeVec,
}

impl SignalFamilies {
    fn new(label: PolicyLabel) -> Result<Self, prometheus::Error> {
        let labels = match label {
            PolicyLabel::Shown => &["policy", "query_name"][..],
            PolicyLabel::Hidden => &["query_name"],
        };
        let gauge = |name, help| GaugeVec::new(Opts::new(name, help), labels);
        Ok(Self {
            warn: gauge("proxymw_bp_query_warn", "Value above which a signal closes the window.")?,
            emergency: gauge("proxymw_bp_query_emergency", "Value at which a signal has closed the window.")?,
            value: gauge(
                "proxymw_bp_query_value",
                "Last value of a signal; without thresholds the largest of its series.",
            )?,
            errors: IntCounterVec::new(
                Opts::new("proxymw_bp_query_error_count", "Questions of a signal that brought no value."),
                labels,
            )?,
            age: gauge("wicketgate_proxy_signal_age_seconds", "Age of the last good answer to a signal.")?,
            lost: IntGaugeVec::new(
                Opts::new(
                    "wicketgate_proxy_signal_lost",
                    "1 while a signal has had no good answer for longer than maxStaleness, else 0.",
                ),
                labels,
            )?,
        })
    }

    fn reset(&self) {
        for gauges in [&self.warn, &self.emergency, &self.value, &self.age] {
            gauges.reset();
        }
        self.errors.reset();
        self.lost.reset();
    }

    fn set(&self, labels: &[&str], reading: &SignalReading) {
        let SignalReading { name, thresholds, stats, .. } = reading;
        // throttle-proxy shows no thresholds of a query without a name.
        if let Some(thresholds) = thresholds.filter(|_| !name.is_empty()) {
            self.warn.with_label_values(labels).set(thresholds.warning());
            self.emergency.with_label_values(labels).set(thresholds.emergency());
        }
        if let Some(value) = stats.value {
            self.value.with_label_values(labels).set(value);
        }
        if let Some(age) = stats.age_micros {
            self.age.with_label_values(labels).set(age as f64 / 1e6);
        }
        self.errors.with_label_values(labels).inc_by(stats.failures);
        let lost = self.lost.with_label_values(labels);
        lost.set(lost.get().max(i64::from(stats.lost)));
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let gauges = [&self.warn, &self.emergency, &self.value, &self.age];
        let mut collected: Vec<_> = gauges.into_iter().flat_map(Collector::collect).collect();
        collected.extend(self.errors.collect());
        collected.extend(self.lost.collect());
        collected
    }
}

impl<F: Fn() -> Vec<SignalReading>> SignalCollector<F> {
    /// Shows what `read` tells.
    ///
    /// # Errors
    /// Where a metric is not one, which a test rules out.
    pub fn new(label: PolicyLabel, read: F) -> Result<Self, prometheus::Error> {
        Ok(Self { read, label, families: SignalFamilies::new(label)?, scraping: Mutex::default() })
    }
}

impl<F: Fn() -> Vec<SignalReading> + Send + Sync> Collector for SignalCollector<F> {
    fn desc(&self) -> Vec<&Desc> {
        let SignalFamilies { warn, emergency, value, errors, age, lost } = &self.families;
        let mut described: Vec<_> =
            [warn, emergency, value, age].into_iter().flat_map(Collector::desc).collect();
        described.extend(errors.desc());
        described.extend(lost.desc());
        described
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let readings = (self.read)();
        let _scraping = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        let families = &self.families;
        families.reset();
        for reading in &readings {
            let (policy, name) = (reading.policy.as_str(), reading.name.as_str());
            match self.label {
                PolicyLabel::Shown => families.set(&[policy, name], reading),
                PolicyLabel::Hidden => families.set(&[name], reading),
            }
        }
        families.collect()
    }
}
