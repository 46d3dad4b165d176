//! What a PromQL query costs, by how far back it reaches: queries of recent samples only are cheap,
//! and may pass by the window.
//!
//! A query is read only as far as that takes: selectors, ranges, offsets, subqueries and `@`. What
//! functions and operators take is left to the server. A query that cannot be read has no cost, and
//! the caller decides what becomes of it.

pub use self::{
    parser::{PromqlError, Span, earliest},
    request::{Query, QueryError},
};

mod duration;
mod lexer;
mod parser;
mod request;

/// How far back a selector without a range looks, in milliseconds.
pub const LOOKBACK_MILLIS: i64 = 300_000;
