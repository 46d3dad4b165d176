//! What admission reads and writes at once: requests in flight, the window, and which publication of
//! the rules the window was worked out under, all in one word.

use super::MAX_WINDOW;

const COUNT_BITS: u32 = MAX_WINDOW.count_ones();
const GENERATION_BITS: u32 = u64::BITS - 2 * COUNT_BITS;

/// The word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// At most [`MAX_WINDOW`], since none enters beyond the window.
    pub(super) in_flight: u32,
    /// At most [`MAX_WINDOW`].
    pub(super) window: u32,
    /// Counts the publications, and begins again after four million. A request that ends works the
    /// next window out from rules that it read before; had they changed since then without a trace in
    /// this word, it would put back a window that the new rules forbid.
    pub(super) generation: u32,
}

impl State {
    pub(super) const fn pack(self) -> u64 {
        (self.generation as u64) << (2 * COUNT_BITS)
            | ((self.window & MAX_WINDOW) as u64) << COUNT_BITS
            | (self.in_flight & MAX_WINDOW) as u64
    }

    pub(super) const fn unpack(word: u64) -> Self {
        Self {
            in_flight: word as u32 & MAX_WINDOW,
            window: (word >> COUNT_BITS) as u32 & MAX_WINDOW,
            generation: (word >> (2 * COUNT_BITS)) as u32,
        }
    }

    pub(super) const fn next_generation(self) -> u32 {
        self.generation.wrapping_add(1) & ((1 << GENERATION_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_all_three() {
        let last = (1 << GENERATION_BITS) - 1;
        for in_flight in [0, 1, MAX_WINDOW] {
            for window in [1, 77, MAX_WINDOW] {
                for generation in [0, 5, last] {
                    let state = State { in_flight, window, generation };
                    assert_eq!(State::unpack(state.pack()), state);
                }
            }
        }
        assert_eq!(State { in_flight: 0, window: 1, generation: last }.next_generation(), 0);
    }
}
