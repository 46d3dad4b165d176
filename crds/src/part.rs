//! A document in parts, each small enough for a ConfigMap.
//!
//! The operator splits the text, a daemon puts it together again, from the API server's objects or
//! from the mounted files. Parts of different revisions are never mixed: while they are being
//! replaced one after the other, there is simply no document, and the one in force stays.

use std::collections::BTreeMap;

/// The most parts a document may have. A cluster's pods mount, and may read, this many ConfigMaps from
/// the start, so that a growing document never changes a pod.
pub const MAX_PARTS: usize = 16;

/// The most bytes of a document's text in one part. An object may have 1 MiB, the fields that
/// others add to it included.
pub const PART_BYTES: usize = 512 * 1024;

/// The key under which a part's text is kept, and the name of its file where it is mounted.
pub const TEXT_KEY: &str = "document.yaml";
/// The key of the document's revision.
pub const REVISION_KEY: &str = "revision";
/// The key of the number of parts.
pub const PARTS_KEY: &str = "parts";

/// The name of the ConfigMap that holds the part `index` (from 0) of a document named `document`.
#[must_use]
pub fn config_map_name(document: &str, index: usize) -> String {
    format!("{document}-{index}")
}

/// One part of a document, as a ConfigMap's `data` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The revision of the whole document.
    pub revision: String,
    /// How many parts the document has.
    pub parts: usize,
    /// This part of its text.
    pub text: String,
}

/// What is wrong with a part, or with a document's size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// The document does not fit.
    #[error(
        "the document has {bytes} bytes, and {MAX_PARTS} ConfigMaps of {PART_BYTES} bytes hold {}: divide the cluster's limits among several clusters",
        MAX_PARTS * PART_BYTES
    )]
    TooLarge {
        /// How much there is.
        bytes: usize,
    },
    /// A key is not there.
    #[error("the key {0:?} is missing")]
    Missing(&'static str),
    /// The number of parts is none.
    #[error("{PARTS_KEY} is {0:?}: it must be from 1 to {MAX_PARTS}")]
    Parts(String),
}

/// Splits the text of a document into parts of at most [`PART_BYTES`], at the ends of lines where
/// there are any.
///
/// # Errors
/// Where it takes more than [`MAX_PARTS`].
pub fn split(revision: &str, text: &str) -> Result<Vec<Part>, PartError> {
    let mut texts = Vec::new();
    let mut rest = text;
    while rest.len() > PART_BYTES {
        let limit = rest.floor_char_boundary(PART_BYTES);
        let end = rest[..limit].rfind('\n').map_or(limit, |newline| newline + 1);
        let (part, after) = rest.split_at(end);
        texts.push(part);
        rest = after;
    }
    texts.push(rest);
    if texts.len() > MAX_PARTS {
        return Err(PartError::TooLarge { bytes: text.len() });
    }
    let parts = texts.len();
    Ok(texts
        .into_iter()
        .map(|text| Part { revision: revision.to_owned(), parts, text: text.to_owned() })
        .collect())
}

/// The whole text, if `parts` (by index) has all parts of one revision: of the first part's.
#[must_use]
pub fn join(parts: &BTreeMap<usize, Part>) -> Option<String> {
    let first = parts.get(&0)?;
    let mut text = String::new();
    for index in 0..first.parts {
        let part = parts.get(&index).filter(|part| part.revision == first.revision)?;
        text.push_str(&part.text);
    }
    Some(text)
}

impl Part {
    /// As a ConfigMap's `data`.
    #[must_use]
    pub fn into_data(self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (TEXT_KEY.to_owned(), self.text),
            (REVISION_KEY.to_owned(), self.revision),
            (PARTS_KEY.to_owned(), self.parts.to_string()),
        ])
    }

    /// From a ConfigMap's `data`.
    ///
    /// # Errors
    /// Where a key is missing or says nothing.
    pub fn from_data(mut data: BTreeMap<String, String>) -> Result<Self, PartError> {
        let mut take = |key| data.remove(key).ok_or(PartError::Missing(key));
        let (text, revision, parts) = (take(TEXT_KEY)?, take(REVISION_KEY)?, take(PARTS_KEY)?);
        match parts.trim().parse() {
            Ok(parts @ 1..=MAX_PARTS) => Ok(Self { revision: revision.trim().to_owned(), parts, text }),
            _ => Err(PartError::Parts(parts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(parts: Vec<Part>) -> BTreeMap<usize, Part> {
        parts.into_iter().enumerate().collect()
    }

    #[test]
    fn a_small_document_is_one_part() {
        let parts = split("r1", "a: 1\n").unwrap();
        assert_eq!(parts, [Part { revision: "r1".into(), parts: 1, text: "a: 1\n".into() }]);
        assert_eq!(join(&numbered(parts)).as_deref(), Some("a: 1\n"));
    }

    #[test]
    fn a_large_document_is_cut_at_lines_and_put_together_again() {
        let text: String = (0..40_000).map(|line| format!("line {line}: äöü äöü äöü äöü\n")).collect();
        let parts = split("r1", &text).unwrap();
        assert!(parts.len() > 2);
        for part in &parts {
            assert!(part.text.len() <= PART_BYTES && part.text.ends_with('\n'), "{}", part.text.len());
        }
        assert_eq!(join(&numbered(parts)), Some(text));
    }

    #[test]
    fn one_long_line_is_cut_between_characters() {
        let text = "ä".repeat(PART_BYTES);
        let parts = split("r1", &text).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(join(&numbered(parts)), Some(text));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let text = "x".repeat(PART_BYTES * MAX_PARTS + 1);
        assert_eq!(split("r1", &text), Err(PartError::TooLarge { bytes: text.len() }));
    }

    #[test]
    fn parts_of_two_revisions_are_no_document() {
        let text = "line\n".repeat(PART_BYTES / 4);
        let mut parts = numbered(split("r1", &text).unwrap());
        parts.get_mut(&1).unwrap().revision = "r2".into();
        assert_eq!(join(&parts), None);
        parts.remove(&1);
        assert_eq!(join(&parts), None);
    }

    #[test]
    fn a_part_survives_its_config_map_and_says_what_is_missing() {
        let part = Part { revision: "r1".into(), parts: 2, text: "a: 1\n".into() };
        assert_eq!(Part::from_data(part.clone().into_data()), Ok(part.clone()));
        let mut data = part.clone().into_data();
        data.remove(REVISION_KEY);
        assert_eq!(Part::from_data(data), Err(PartError::Missing(REVISION_KEY)));
        for wrong in ["0", "17", "-1", "many"] {
            let mut data = part.clone().into_data();
            data.insert(PARTS_KEY.into(), wrong.into());
            assert_eq!(Part::from_data(data), Err(PartError::Parts(wrong.into())));
        }
    }
}
