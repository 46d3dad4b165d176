//! PromQL's words.

use super::PromqlError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'q> {
    /// A metric, label, function or keyword.
    Word(&'q str),
    /// A number or a duration, with its text.
    Number(&'q str),
    /// A string, with its quotes.
    Text,
    /// An operator or bracket.
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 27] = [
    "==", "!=", "=~", "!~", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", ":", "@", "+", "-", "*", "/", "%",
    "^", ">", "<", "=", "!", ";", "$",
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'q> {
    rest: &'q str,
}

impl<'q> Lexer<'q> {
    pub(super) const fn new(query: &'q str) -> Self {
        Self { rest: query }
    }

    /// The next word. Within brackets a colon divides, and is no part of a name.
    pub(super) fn next(&mut self, in_brackets: bool) -> Result<Token<'q>, PromqlError> {
        self.skip_blanks();
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && !in_brackets);
        if first.is_ascii_digit()
            || (first == '.' && self.rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            return Ok(Token::Number(self.number()));
        }
        if is_name(first) {
            let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
            return Ok(Token::Word(self.take(end)));
        }
        if matches!(first, '"' | '\'' | '`') {
            return self.text(first);
        }
        let sign = SIGNS.into_iter().find(|sign| self.rest.starts_with(sign));
        let sign = sign.ok_or(PromqlError::Character(first))?;
        self.take(sign.len());
        Ok(Token::Sign(sign))
    }

    fn take(&mut self, len: usize) -> &'q str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                return;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    /// Digits, letters and points, and the sign of an exponent; [`parser`](super::parser) makes sense
    /// of them.
    fn number(&mut self) -> &'q str {
        let bytes = self.rest.as_bytes();
        let hexadecimal = self.rest.starts_with("0x") || self.rest.starts_with("0X");
        let mut end = 0;
        while let Some(byte) = bytes.get(end) {
            let exponent = !hexadecimal && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
            let belongs = byte.is_ascii_alphanumeric()
                || matches!(byte, b'.' | b'_')
                || (exponent && matches!(byte, b'+' | b'-'));
            if !belongs {
                break;
            }
            end += 1;
        }
        self.take(end)
    }

    fn text(&mut self, quote: char) -> Result<Token<'q>, PromqlError> {
        let mut escaped = false;
        for (index, c) in self.rest.char_indices().skip(1) {
            if escaped {
                escaped = false;
            } else if c == '\\' && quote != '`' {
                escaped = true;
            } else if c == quote {
                self.take(index + c.len_utf8());
                return Ok(Token::Text);
            } else if c == '\n' && quote != '`' {
                break;
            }
        }
        Err(PromqlError::UnendedText)
    }
}
