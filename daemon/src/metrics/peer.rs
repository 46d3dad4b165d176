//! What is counted for each peer; the label is its advertise address, which configuration bounds.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::families::{counters, gauges, histograms};

const LABEL: &str = "peerAddr";

/// The handles of one peer.
#[derive(Clone, Debug)]
pub struct PeerMetrics {
    /// Forwards tried again against the ring as it then was.
    pub retries: IntCounter,
    /// Items waiting to be forwarded.
    pub queue_length: IntGauge,
    /// How long a forwarded batch took, in seconds.
    pub send_duration: Histogram,
    /// The same, over all peers.
    pub send_batch: Histogram,
}

#[derive(Clone, Debug)]
pub(super) struct PeerFamilies {
    retries: IntCounterVec,
    queue_length: IntGaugeVec,
    send_duration: HistogramVec,
}

impl PeerFamilies {
    pub(super) fn register(to: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            retries: counters(
                to,
                "gubernator_batch_send_retries",
                "Forwards that were tried again, by the peer that could not be reached.",
                LABEL,
            )?,
            queue_length: gauges(
                to,
                "gubernator_batch_queue_length",
                "Items waiting to be forwarded to a peer.",
                LABEL,
            )?,
            send_duration: histograms(
                to,
                "gubernator_batch_send_duration",
                "Seconds that a batch forwarded to a peer took.",
                LABEL,
            )?,
        })
    }

    pub(super) fn of(&self, advertise: &str, send_batch: &Histogram) -> PeerMetrics {
        PeerMetrics {
            retries: self.retries.with_label_values(&[advertise]),
            queue_length: self.queue_length.with_label_values(&[advertise]),
            send_duration: self.send_duration.with_label_values(&[advertise]),
            send_batch: send_batch.clone(),
        }
    }

    pub(super) fn forget(&self, advertise: &str) {
        // Each may never have been shown.
        let _ = self.retries.remove_label_values(&[advertise]);
        let _ = self.queue_length.remove_label_values(&[advertise]);
        let _ = self.send_duration.remove_label_values(&[advertise]);
    }
}
