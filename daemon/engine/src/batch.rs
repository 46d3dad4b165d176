//! What one peer connection sends, and when: batching that waits only while the peer is busy.
//!
//! With no call in flight an item goes at once. While one is, items gather, and go together when it
//! returns; when they fill a call; or when the oldest of them has waited its time, so that one slow
//! call does not hold up those behind it. Three verbs and no clock: [`Batch::push`] an item, then
//! [`Batch::poll_flush`] until it says `None`, then sleep until [`Batch::poll_timeout`].

use std::collections::VecDeque;

use crate::Tick;

/// The most items one call may carry: what every peer accepts.
pub const MAX_BATCH_ITEMS: usize = 1_000;

/// An item that was refused since the batch is at its capacity, handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer's queue is full")]
pub struct Full<T>(pub T);

/// Items gathered for one peer connection, oldest first.
#[derive(Debug)]
pub struct Batch<T> {
    /// When each came, how many items it stands for, and itself.
    asks: VecDeque<(Tick, usize, T)>,
    waiting: usize,
    in_flight: usize,
    limit: usize,
    wait_micros: u64,
    capacity: usize,
}

impl<T> Batch<T> {
    /// A batch that sends at most `limit` items at once (1 to [`MAX_BATCH_ITEMS`], else the nearest),
    /// lets none wait longer than `wait_micros` microseconds, and holds at most `capacity` (at least
    /// one).
    #[must_use]
    pub fn new(limit: usize, wait_micros: u64, capacity: usize) -> Self {
        Self {
            asks: VecDeque::new(),
            waiting: 0,
            in_flight: 0,
            limit: limit.clamp(1, MAX_BATCH_ITEMS),
            wait_micros,
            capacity: capacity.max(1),
        }
    }

    /// Takes in what one caller asks: `items` items, which travel together.
    ///
    /// # Errors
    /// [`Full`] with the ask, where it would make more than `capacity` items wait.
    pub fn push(&mut self, ask: T, items: usize, now: Tick) -> Result<(), Full<T>> {
        let waiting = self.waiting.saturating_add(items);
        if waiting > self.capacity {
            return Err(Full(ask));
        }
        self.waiting = waiting;
        self.asks.push_back((now, items, ask));
        Ok(())
    }

    /// The asks to send now, in the order they came, if any are due: as many as make no more items
    /// than a call may carry, and one where even that has more. They count as a call in flight until
    /// [`Batch::handle_done`].
    pub fn poll_flush(&mut self, now: Tick) -> Option<Vec<T>> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.in_flight += 1;
        let (mut due, mut sent) = (Vec::new(), 0);
        while let Some(&(_, items, _)) = self.asks.front()
            && (due.is_empty() || sent + items <= self.limit)
        {
            sent += items;
            due.extend(self.asks.pop_front().map(|(_, _, ask)| ask));
        }
        self.waiting -= sent;
        Some(due)
    }

    /// A call returned, with an answer or without.
    pub const fn handle_done(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// When [`Batch::poll_flush`] has something, if nothing else happens; in the past where it has
    /// something already, `None` where nothing waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let &(oldest, _, _) = self.asks.front()?;
        if self.in_flight == 0 || self.waiting >= self.limit {
            return Some(oldest);
        }
        Some(oldest.saturating_add(self.wait_micros))
    }

    /// Items that wait; those in flight do not count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    /// Calls that have not returned.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Tick {
        Tick::from_micros(micros)
    }

    #[test]
    fn an_idle_connection_sends_at_once() {
        let mut batch = Batch::new(1_000, 500, 1_000);
        assert_eq!((batch.poll_timeout(), batch.poll_flush(at(5))), (None, None));
        batch.push('a', 1, at(10)).unwrap();
        assert_eq!(batch.poll_timeout(), Some(at(10)));
        assert_eq!(batch.poll_flush(at(10)), Some(vec!['a']));
        assert_eq!((batch.len(), batch.in_flight(), batch.poll_timeout()), (0, 1, None));
    }

    #[test]
    fn what_comes_during_a_call_goes_with_the_next() {
        let mut batch = Batch::new(1_000, 500, 1_000);
        batch.push('a', 1, at(0)).unwrap();
        batch.poll_flush(at(0)).unwrap();
        batch.push('b', 1, at(100)).unwrap();
        batch.push('c', 1, at(200)).unwrap();
        assert_eq!((batch.poll_flush(at(200)), batch.poll_timeout()), (None, Some(at(600))));
        batch.handle_done();
        assert_eq!(batch.poll_flush(at(300)), Some(vec!['b', 'c']));
    }

    #[test]
    fn none_waits_beyond_its_time_for_a_slow_call() {
        let mut batch = Batch::new(1_000, 500, 1_000);
        batch.push('a', 1, at(0)).unwrap();
        batch.poll_flush(at(0)).unwrap();
        batch.push('b', 1, at(100)).unwrap();
        assert_eq!(batch.poll_flush(at(599)), None);
        assert_eq!(batch.poll_flush(at(600)), Some(vec!['b']));
        assert_eq!(batch.in_flight(), 2);
        batch.handle_done();
        batch.push('c', 1, at(700)).unwrap();
        assert_eq!(batch.poll_flush(at(700)), None, "one call is still out");
    }

    #[test]
    fn a_full_call_does_not_wait_and_the_rest_keeps_its_age() {
        let mut batch = Batch::new(2, 500, 5);
        batch.push(0, 1, at(0)).unwrap();
        batch.poll_flush(at(0)).unwrap();
        for item in 1..=5 {
            batch.push(item, 1, at(item)).unwrap();
        }
        assert_eq!(batch.push(6, 1, at(6)), Err(Full(6)));
        assert_eq!(batch.poll_flush(at(6)), Some(vec![1, 2]));
        assert_eq!(batch.poll_flush(at(6)), Some(vec![3, 4]));
        assert_eq!((batch.poll_flush(at(6)), batch.poll_timeout()), (None, Some(at(505))));
        batch.push(6, 1, at(7)).unwrap();
    }

    #[test]
    fn asks_travel_whole_and_their_items_count() {
        let mut batch = Batch::new(10, 500, 30);
        for (ask, items) in [('a', 6), ('b', 5), ('c', 5), ('d', 12)] {
            batch.push(ask, items, at(0)).unwrap();
        }
        assert_eq!((batch.len(), batch.push('e', 3, at(0))), (28, Err(Full('e'))));
        assert_eq!(batch.poll_flush(at(0)), Some(vec!['a']));
        assert_eq!(batch.poll_flush(at(0)), Some(vec!['b', 'c']));
        assert_eq!(batch.poll_flush(at(0)), Some(vec!['d']));
        assert!(batch.is_empty());
    }

    #[test]
    fn limits_out_of_range_mean_the_nearest() {
        let mut batch = Batch::new(usize::MAX, u64::MAX, usize::MAX);
        for item in 0..=MAX_BATCH_ITEMS {
            batch.push(item, 1, at(u64::MAX)).unwrap();
        }
        assert_eq!(batch.poll_flush(at(u64::MAX)).map(|sent| sent.len()), Some(MAX_BATCH_ITEMS));
        let mut batch = Batch::new(0, 0, 0);
        batch.push('a', 1, at(0)).unwrap();
        assert_eq!((batch.push('b', 1, at(0)), batch.poll_flush(at(0))), (Err(Full('b')), Some(vec!['a'])));
        batch.handle_done();
        batch.handle_done();
        assert_eq!(batch.in_flight(), 0);
    }
}
