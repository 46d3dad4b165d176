//! Cuts a stream into its documents by their markers, so that bad syntax in one document does not
//! hide what is wrong in the next.
//!
//! A line that begins with `---` always begins a document: YAML forbids it inside any scalar.

/// A document: its text, and where that text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    /// From 1; empty documents count, comments before the first marker do not.
    pub(super) number: usize,
    /// The line of the file that the text begins on, from 1.
    pub(super) first_line: u64,
    /// The document with its marker.
    pub(super) text: &'a str,
}

/// The documents of a stream that are not empty.
pub(super) fn documents(stream: &str) -> Vec<Chunk<'_>> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let mut chunks: Vec<Chunk<'_>> = Vec::new();
    let mut start = 0;
    let mut first_line = 1;
    let mut number = 1;
    let mut offset = 0;
    for (line, next) in stream.split_inclusive('\n').zip(2u64..) {
        // Comments and directives before the first marker belong to the document that it begins.
        if is_marker(line) && !(start == 0 && is_preamble(&stream[..offset])) {
            chunks.push(Chunk { number, first_line, text: &stream[start..offset] });
            (start, first_line, number) = (offset, next - 1, number + 1);
        }
        offset += line.len();
    }
    chunks.push(Chunk { number, first_line, text: &stream[start..] });
    chunks.retain(|chunk| !is_empty(chunk.text));
    chunks
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

fn is_preamble(text: &str) -> bool {
    text.lines().all(|line| is_blank(line) || line.starts_with('%'))
}

fn is_empty(text: &str) -> bool {
    text.lines().all(|line| {
        let content = if is_marker(line) { &line[3..] } else { line };
        is_blank(content) || line.trim_end() == "..." || line.starts_with('%')
    })
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(usize, u64)> {
        documents(text).iter().map(|chunk| (chunk.number, chunk.first_line)).collect()
    }

    #[test]
    fn counts_documents_and_lines() {
        assert_eq!(split("a: 1\n"), [(1, 1)]);
        assert_eq!(split("---\na: 1\n---\nb: 2\n"), [(1, 1), (2, 3)]);
        assert_eq!(split("# why\n---\na: 1\n---\n\n---\nb: 2"), [(1, 1), (3, 6)]);
        assert_eq!(split("%YAML 1.2\n---\na: 1\n"), [(1, 1)]);
        assert_eq!(split("a: 1\r\n---\r\nb: 2\r\n"), [(1, 1), (2, 2)]);
        assert_eq!(split("--- {a: 1}\n--- {b: 2}\n"), [(1, 1), (2, 2)]);
        assert_eq!(split("\u{feff}---\na: 1\n"), [(1, 1)]);
    }

    #[test]
    fn finds_nothing_in_nothing() {
        for text in ["", "\n", "---\n", "# only\n---\n# comments\n...\n"] {
            assert_eq!(split(text), [], "{text:?}");
        }
    }

    #[test]
    fn a_longer_dash_is_no_marker() {
        assert_eq!(split("a: |\n  x\n----\nb: 1\n"), [(1, 1)]);
    }
}
