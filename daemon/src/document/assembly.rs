//! A document from its parts, or why there is none. No client.

use std::collections::BTreeMap;

use crds::part::{Part, join};
use crds::report::Refusal;

use super::board::Said;

/// What parts are together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Assembly {
    /// All of one revision.
    Whole {
        /// The revision that they state.
        revision: String,
        /// How many there are.
        parts: usize,
        /// The document.
        text: String,
    },
    /// Some of them are still of another revision, or on their way.
    Incomplete {
        /// How many there shall be.
        parts: usize,
        /// What is lacking.
        why: String,
    },
    /// There is no first part.
    Missing {
        /// Which object or file that would be.
        what: String,
    },
    /// A part says nothing that can be understood.
    Wrong(Refusal),
}

/// Puts parts together; `name` says what the part of an index is called.
pub(super) fn assemble(said: &BTreeMap<usize, Said>, name: impl Fn(usize) -> String) -> Assembly {
    let mut parts: BTreeMap<usize, Part> = BTreeMap::new();
    let first = match said.get(&0) {
        Some(Some(Ok(first))) => first,
        Some(Some(Err(error))) => return wrong("", &name(0), error),
        Some(None) | None => return Assembly::Missing { what: name(0) },
    };
    for index in 0..first.parts {
        match said.get(&index) {
            Some(Some(Ok(part))) if part.revision == first.revision => {
                parts.insert(index, part.clone());
            }
            Some(Some(Err(error))) => return wrong(&first.revision, &name(index), error),
            Some(Some(Ok(part))) => {
                let why =
                    format!("{} has the revision {}, not {}", name(index), part.revision, first.revision);
                return Assembly::Incomplete { parts: first.parts, why };
            }
            Some(None) | None => {
                let why = format!("{} is not there", name(index));
                return Assembly::Incomplete { parts: first.parts, why };
            }
        }
    }
    match join(&parts) {
        Some(text) => Assembly::Whole { revision: first.revision.clone(), parts: first.parts, text },
        None => Assembly::Incomplete { parts: first.parts, why: "its parts do not fit together".to_owned() },
    }
}

fn wrong(revision: &str, name: &str, error: &crds::part::PartError) -> Assembly {
    Assembly::Wrong(Refusal { revision: revision.to_owned(), reason: format!("{name}: {error}") })
}

#[cfg(test)]
mod tests {
    use crds::part::PartError;

    use super::*;

    fn part(revision: &str, parts: usize, text: &str) -> Said {
        Some(Ok(Part { revision: revision.to_owned(), parts, text: text.to_owned() }))
    }

    fn of(said: Vec<Said>) -> Assembly {
        assemble(&said.into_iter().enumerate().collect(), |index| format!("part {index}"))
    }

    #[test]
    fn parts_of_one_revision_are_a_document() {
        let whole =
            |parts, text: &str| Assembly::Whole { revision: "r1".to_owned(), parts, text: text.to_owned() };
        assert_eq!(of(vec![part("r1", 1, "a")]), whole(1, "a"));
        // What is left of a longer one does not count.
        assert_eq!(of(vec![part("r1", 2, "a"), part("r1", 2, "b"), part("r0", 3, "c")]), whole(2, "ab"));
    }

    #[test]
    fn what_is_lacking_is_named() {
        let why = |assembly| match assembly {
            Assembly::Incomplete { parts: 2, why } => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why(of(vec![part("r1", 2, "a")])), "part 1 is not there");
        assert_eq!(why(of(vec![part("r1", 2, "a"), None])), "part 1 is not there");
        let mixed = of(vec![part("r1", 2, "a"), part("r0", 2, "b")]);
        assert_eq!(why(mixed), "part 1 has the revision r0, not r1");
        assert_eq!(of(vec![None]), Assembly::Missing { what: "part 0".to_owned() });
        assert_eq!(of(Vec::new()), Assembly::Missing { what: "part 0".to_owned() });
    }

    #[test]
    fn a_part_that_says_nothing_is_refused_by_name() {
        let missing = || Some(Err(PartError::Missing("parts")));
        let reason = |assembly| match assembly {
            Assembly::Wrong(refusal) => (refusal.revision, refusal.reason),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            reason(of(vec![missing()])),
            (String::new(), "part 0: the key \"parts\" is missing".to_owned())
        );
        let second = reason(of(vec![part("r1", 2, "a"), missing()]));
        assert_eq!(second, ("r1".to_owned(), "part 1: the key \"parts\" is missing".to_owned()));
    }
}
