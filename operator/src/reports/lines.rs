//! Bytes as they come, cut into lines of bounded length.

/// The most bytes of a line. A report has some hundred, and as many more for each policy; what their signals
/// complain of may be long.
pub(super) const MAX_LINE: usize = 1024 * 1024;

/// A line was longer than [`MAX_LINE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line has more than {MAX_LINE} bytes")]
pub(super) struct LineTooLong;

/// What has come of a line that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes `bytes` and calls `each` with every line that is whole now, without its end. Empty lines
    /// are left out.
    pub(super) fn push<E: From<LineTooLong>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        // What follows the last line's end is the beginning of the next line.
        let rest = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.grow(piece)?;
            let line = std::mem::take(&mut self.partial);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if !line.is_empty() {
                each(line)?;
            }
        }
        Ok(self.grow(rest)?)
    }

    fn grow(&mut self, piece: &[u8]) -> Result<(), LineTooLong> {
        if self.partial.len() + piece.len() > MAX_LINE {
            return Err(LineTooLong);
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&str]) -> Result<Vec<String>, LineTooLong> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece.as_bytes(), |line| {
                found.push(String::from_utf8_lossy(line).into_owned());
                Ok::<_, LineTooLong>(())
            })?;
        }
        Ok(found)
    }

    #[test]
    fn lines_are_found_however_they_are_cut() {
        let whole = "one\ntwo\r\n\nthree\nrest";
        let expected = ["one", "two", "three"];
        assert_eq!(cut(&[whole]).unwrap(), expected);
        let bytes: Vec<&str> = whole.split_inclusive(|_: char| true).collect();
        assert_eq!(cut(&bytes).unwrap(), expected);
        assert_eq!(cut(&["on", "e\ntw", "o\nthree", "\n"]).unwrap(), expected);
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_bound() {
        let longest = "x".repeat(MAX_LINE);
        assert_eq!(cut(&[&longest, "\n"]).unwrap(), [longest.as_str()]);
        assert_eq!(cut(&[&longest, "x"]), Err(LineTooLong));
        assert_eq!(cut(&[&format!("{longest}x\n")]), Err(LineTooLong));
    }
}
