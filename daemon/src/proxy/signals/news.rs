//! What is worth telling of signals. It is found under a lock, and told without it.

use tokio::sync::watch;

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Whether a report would say something else, numbers aside.
    pub(super) changed: bool,
    /// Lines of the log: policy, signal, and what of it.
    pub(super) lines: Vec<(String, String, Line)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its question brings no value any more.
    Failed(String),
    /// It does again.
    Answered,
    /// It has brought none for too long.
    Lost,
}

impl News {
    pub(super) fn extend(&mut self, other: Self) {
        self.changed |= other.changed;
        self.lines.extend(other.lines);
    }

    /// Writes the log, and wakes who reports.
    pub(super) fn tell(self, changes: &watch::Sender<u64>) {
        for (policy, signal, line) in self.lines {
            match line {
                Line::Failed(error) => {
                    tracing::warn!(policy, signal, "a signal keeps its last value: {error}");
                }
                Line::Answered => tracing::info!(policy, signal, "a signal is answered again"),
                Line::Lost => {
                    tracing::warn!(policy, signal, "a signal is lost: no value for longer than maxStaleness");
                }
            }
        }
        if self.changed {
            changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}
