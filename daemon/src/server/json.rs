//! The JSON of the HTTP door: the conventions of protobuf's JSON mapping as Gubernator's gateway has
//! them, where field names are written in snake case and read in camel case too, and 64-bit integers
//! are written in quotes and read with or without.
//!
//! Nothing here waits or reads a clock; what comes in is borrowed until it is put on the wire.

mod integer;
mod names;
mod parse;
mod render;

pub use self::parse::{ParseError, parse_request};
pub use self::render::{render_error, render_health, render_live, render_rate_limits};

#[cfg(test)]
mod tests;
