//! The hot messages of Gubernator's protocol, read from the caller's buffer without copying and
//! written straight into the answer's.
//!
//! `proto` has the same messages as owned types, for whoever may take its time. Here a batch of a
//! thousand items costs one allocation: strings stay in the buffer they came in, and an answer is
//! its final bytes from the start.

mod read;
mod write;

pub(crate) use read::split;
pub use read::{Item, WireError, items, records};
pub(crate) use write::forward_record;
pub use write::{Answers, Note};

/// The most items in one call, either service.
pub const MAX_ITEMS: usize = 1000;
/// The largest message we take, in bytes, as Gubernator's servers do.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
