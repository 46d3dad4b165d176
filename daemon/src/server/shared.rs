//! What the calls of one connection share: the word that it ends, and a bound on what they hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio_util::sync::CancellationToken;

/// Bytes that the unfinished messages of one connection may hold together: a caller can open
/// hundreds of streams and finish none.
const MAX_UNFINISHED: usize = 16 << 20;

/// One connection's, for its calls.
#[derive(Debug)]
pub(super) struct Shared {
    /// Cancelled when the node leaves.
    pub(super) drain: CancellationToken,
    unfinished: Arc<AtomicUsize>,
}

impl Shared {
    pub(super) fn new(drain: CancellationToken) -> Self {
        Self { drain, unfinished: Arc::default() }
    }

    /// The part of a message that has not arrived whole.
    pub(super) fn budget(&self) -> Budget {
        Budget { unfinished: Arc::clone(&self.unfinished), held: 0 }
    }
}

/// One message's part of what its connection holds; given back when dropped.
#[derive(Debug)]
pub(super) struct Budget {
    unfinished: Arc<AtomicUsize>,
    held: usize,
}

impl Budget {
    /// Holds `held` bytes from now on, which only grow; whether that is still within bounds.
    pub(super) fn hold(&mut self, held: usize) -> bool {
        let more = held.saturating_sub(self.held);
        self.held += more;
        self.unfinished.fetch_add(more, Relaxed) + more <= MAX_UNFINISHED
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.unfinished.fetch_sub(self.held, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_together_are_bounded_and_give_back_what_they_held() {
        let shared = Shared::new(CancellationToken::new());
        let (mut one, mut other) = (shared.budget(), shared.budget());
        assert!(one.hold(10 << 20) && other.hold(5 << 20) && other.hold(6 << 20));
        assert!(!other.hold(7 << 20));
        drop(one);
        assert!(other.hold(16 << 20) && !shared.budget().hold(1));
        drop(other);
        assert!(shared.budget().hold(16 << 20));
    }
}
