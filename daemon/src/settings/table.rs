//! Every variable there is: one table from which reading, messages, the hint for a misspelt name and
//! `docs/configuration.md` all come.

mod later;
mod works;

use std::fmt;

use crds::duration::GoDuration;

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// `GUBER_…` where the ancestor has it, else `WICKETGATE_…`.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// The text that counts where none is given; empty for none.
    pub default: &'static str,
    /// One or two sentences of the documentation.
    pub meaning: &'static str,
    /// What this version does with it.
    pub status: Status,
}

/// What a variable may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `host:port`.
    Address,
    /// Anything.
    Text,
    /// True or false, as Go spells them.
    Switch,
    /// A whole number within bounds, both included.
    Count(usize, usize),
    /// A number of whole seconds, at most so many.
    Seconds(usize),
    /// A duration within bounds, both included.
    Duration(GoDuration, GoDuration),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Several of these words, with commas between.
    AnyOf(&'static [&'static str]),
    /// A path.
    Path,
    /// Paths with commas between.
    Paths,
    /// Peers with commas between.
    Peers,
    /// The name of an IANA time zone.
    TimeZone,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => formatter.write_str("host:port, an IPv6 host in brackets, port 0 to 65535"),
            Self::Text => formatter.write_str("any text"),
            Self::Switch => formatter.write_str("true or false"),
            Self::Count(min, max) => write!(formatter, "a whole number from {min} to {max}"),
            Self::Seconds(max) => write!(formatter, "whole seconds from 0 to {max}, without a unit"),
            Self::Duration(min, max) => {
                write!(formatter, "a duration such as 500us, 1.5s or 1h30m, from {min} to {max}")
            }
            Self::OneOf(words) => formatter.write_str(&words.join(", ")),
            Self::AnyOf(words) => write!(formatter, "a comma list of {}", words.join(", ")),
            Self::Path => formatter.write_str("a path"),
            Self::Paths => formatter.write_str("a comma list of paths"),
            Self::Peers => formatter.write_str(
                "a comma list of ADVERTISE or ADVERTISE@PEER_LISTENER, both host:port with a port from 1 to 65535",
            ),
            Self::TimeZone => formatter.write_str("UTC or an IANA name such as Europe/Berlin"),
        }
    }
}

/// What this version does with a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Works,
    /// It is read and checked; set, it earns a warning, since nothing acts on it yet.
    NotYet,
    /// Set, it keeps the daemon from starting, because going on without it would not be safe.
    Refused,
}

/// The table, in the order of the documentation.
pub fn variables() -> impl Iterator<Item = &'static Variable> {
    works::WORKS.iter().chain(later::LATER)
}

/// Which variable of the table has this name.
#[must_use]
pub(super) fn find(name: &str) -> Option<&'static Variable> {
    variables().find(|variable| variable.name == name)
}

/// The name of the table that is fewest letters away from a misspelt one. The prefix does not count:
/// `GUBER_LIMITS` is nearest to `WICKETGATE_LIMITS`.
#[must_use]
pub(super) fn nearest(name: &str) -> &'static str {
    variables()
        .min_by_key(|variable| (distance(bare(name), bare(variable.name)), distance(name, variable.name)))
        .map_or("GUBER_GRPC_ADDRESS", |variable| variable.name)
}

/// A name without its prefix.
fn bare(name: &str) -> &str {
    ["GUBER_", "WICKETGATE_", "OTEL_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// Letters to insert, drop or replace to make `a` into `b`.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replace = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

const ZERO: GoDuration = GoDuration::ZERO;
const MILLI: GoDuration = GoDuration::from_millis(1);
const MINUTE: GoDuration = GoDuration::from_secs(60);
const HOUR: GoDuration = GoDuration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        for (name, nearest_name) in [
            ("GUBER_GRPC_ADRESS", "GUBER_GRPC_ADDRESS"),
            ("GUBER_PEERS", "WICKETGATE_PEERS"),
            ("WICKETGATE_CACHE_SIZE", "GUBER_CACHE_SIZE"),
            ("GUBER_BATCHWAIT", "GUBER_BATCH_WAIT"),
        ] {
            assert_eq!(nearest(name), nearest_name);
        }
    }

    #[test]
    fn names_come_once() {
        for (index, variable) in variables().enumerate() {
            assert!(variables().take(index).all(|other| other.name != variable.name), "{}", variable.name);
        }
    }
}
