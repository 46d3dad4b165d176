//! PromQL, read for how far back it reaches.

use super::{
    LOOKBACK_MILLIS,
    duration::parse_duration,
    lexer::{Lexer, Token},
};
use crate::UnixMillis;

/// The longest query that is read, in bytes.
const MAX_QUERY_BYTES: usize = 64 * 1024;
/// How deep a query may nest. Every level takes a few frames of the stack.
const MAX_DEPTH: u32 = 64;

/// Why a query cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromqlError {
    /// Nothing was asked.
    #[error("no expression found in input")]
    Empty,
    /// Longer than is read.
    #[error("the query is {0} bytes long; at most {MAX_QUERY_BYTES} are read")]
    TooLong(usize),
    /// Nested deeper than is read.
    #[error("the query nests deeper than {MAX_DEPTH}")]
    TooDeep,
    /// A character that begins no word.
    #[error("unexpected character {0:?} in the query")]
    Character(char),
    /// A string without its second quote.
    #[error("unterminated quoted string in the query")]
    UnendedText,
    /// A word where another was due.
    #[error("unexpected {found} in the query, expected {expected}")]
    Unexpected {
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// Not a duration.
    #[error("not a valid duration in the query: {0:?}")]
    Duration(String),
}

/// The instants that a query is evaluated at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub start: UnixMillis,
    /// The last; the first, for an instant query.
    pub end: UnixMillis,
}

/// The earliest sample that a query looks at; `None` where it selects nothing at all.
///
/// # Errors
/// [`PromqlError`] where the query cannot be read.
pub fn earliest(query: &str, span: Span) -> Result<Option<UnixMillis>, PromqlError> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(PromqlError::TooLong(query.len()));
    }
    let mut parser = Parser { lexer: Lexer::new(query), token: Token::End, depth: 0, span };
    parser.advance()?;
    if parser.token == Token::End {
        return Err(PromqlError::Empty);
    }
    let reach = parser.expression()?;
    if parser.token != Token::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    let by_shift = reach.shift.map(|shift| span.start.saturating_sub(shift));
    Ok(by_shift.into_iter().chain(reach.at).min())
}

/// How far back a part of a query reaches.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    /// Milliseconds before the query's start, at most.
    shift: Option<i64>,
    /// The earliest of what `@` fixed.
    at: Option<UnixMillis>,
}

impl Reach {
    fn and(self, other: Self) -> Self {
        // `max` of options takes the one there is; `min` would take the one there is not.
        let at = self.at.into_iter().chain(other.at).min();
        Self { shift: self.shift.max(other.shift), at }
    }
}

/// What stands behind an expression: a range, an offset, an instant.
#[derive(Clone, Copy, Debug, Default)]
struct Modifiers {
    offset: i64,
    at: Option<UnixMillis>,
}

struct Parser<'q> {
    lexer: Lexer<'q>,
    token: Token<'q>,
    depth: u32,
    span: Span,
}

impl<'q> Parser<'q> {
    fn advance(&mut self) -> Result<Token<'q>, PromqlError> {
        let next = self.lexer.next(false)?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn unexpected(&self, expected: &'static str) -> PromqlError {
        let found = match self.token {
            Token::Word(text) | Token::Number(text) => format!("{text:?}"),
            Token::Text => "a string".to_owned(),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "end of input".to_owned(),
        };
        PromqlError::Unexpected { found, expected }
    }

    fn eat(&mut self, sign: &str) -> Result<bool, PromqlError> {
        let is_next = matches!(self.token, Token::Sign(next) if next == sign);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), PromqlError> {
        if self.eat(sign)? { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn is_word(&self, words: &[&str]) -> bool {
        matches!(self.token, Token::Word(word) if words.iter().any(|w| w.eq_ignore_ascii_case(word)))
    }

    /// Operands with operators between them. What binds how tightly does not matter to the reach.
    fn expression(&mut self) -> Result<Reach, PromqlError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PromqlError::TooDeep);
        }
        let mut reach = self.operand()?;
        while self.operator()? {
            reach = reach.and(self.operand()?);
        }
        self.depth -= 1;
        Ok(reach)
    }

    /// Takes an operator and what says how it matches, if one is next.
    fn operator(&mut self) -> Result<bool, PromqlError> {
        const SIGNS: [&str; 12] = ["+", "-", "*", "/", "%", "^", "==", "!=", ">=", "<=", ">", "<"];
        let is_sign = matches!(self.token, Token::Sign(sign) if SIGNS.contains(&sign));
        if !is_sign && !self.is_word(&["and", "or", "unless", "atan2"]) {
            return Ok(false);
        }
        self.advance()?;
        if self.is_word(&["bool"]) {
            self.advance()?;
        }
        while self.is_word(&["on", "ignoring", "group_left", "group_right"]) {
            let names_may_lack = self.is_word(&["group_left", "group_right"]);
            self.advance()?;
            // A bracket after `group_left` holds names, even where it could begin an operand.
            if !names_may_lack || self.token == Token::Sign("(") {
                self.names()?;
            }
        }
        Ok(true)
    }

    fn names(&mut self) -> Result<(), PromqlError> {
        self.expect("(")?;
        while !self.eat(")")? {
            match self.token {
                Token::Word(_) | Token::Text | Token::Sign(",") => self.advance()?,
                _ => return Err(self.unexpected("a label")),
            };
        }
        Ok(())
    }

    fn operand(&mut self) -> Result<Reach, PromqlError> {
        while matches!(self.token, Token::Sign("+" | "-")) {
            self.advance()?;
        }
        match self.token {
            Token::Number(_) | Token::Text => {
                self.advance()?;
                Ok(Reach::default())
            }
            Token::Sign("(") => {
                self.advance()?;
                let reach = self.expression()?;
                self.expect(")")?;
                self.subqueries(reach)
            }
            Token::Sign("{") => self.selector(),
            Token::Word(word) => self.named(word),
            _ => Err(self.unexpected("an expression")),
        }
    }

    /// A call, an aggregation, a number by name or a selector.
    fn named(&mut self, word: &str) -> Result<Reach, PromqlError> {
        self.advance()?;
        if self.is_word(&["by", "without"]) {
            self.advance()?;
            self.names()?;
            let reach = self.arguments()?;
            return self.subqueries(reach);
        }
        if self.token == Token::Sign("(") {
            let reach = self.arguments()?;
            if self.is_word(&["by", "without"]) {
                self.advance()?;
                self.names()?;
            }
            return self.subqueries(reach);
        }
        let is_number = ["inf", "nan"].iter().any(|number| number.eq_ignore_ascii_case(word));
        if is_number { Ok(Reach::default()) } else { self.selector() }
    }

    fn arguments(&mut self) -> Result<Reach, PromqlError> {
        self.expect("(")?;
        let mut reach = Reach::default();
        while !self.eat(")")? {
            reach = reach.and(self.expression()?);
            if !self.eat(",")? && self.token != Token::Sign(")") {
                return Err(self.unexpected("\",\" or \")\""));
            }
        }
        Ok(reach)
    }

    /// What follows the name of a metric, if it had one.
    fn selector(&mut self) -> Result<Reach, PromqlError> {
        if self.eat("{")? {
            self.matchers()?;
        }
        let range = if self.token == Token::Sign("[") { Some(self.brackets()?) } else { None };
        let (window, subquery) = match range {
            Some((range, false)) => (range, None),
            Some((range, true)) => (LOOKBACK_MILLIS, Some(range)),
            None => (LOOKBACK_MILLIS, None),
        };
        let modifiers = self.modifiers()?;
        let reach = if let Some(range) = subquery {
            // The modifiers are the subquery's.
            wrapped(Reach { shift: Some(window), at: None }, range, modifiers)
        } else {
            let back = window.saturating_add(modifiers.offset);
            match modifiers.at {
                Some(at) => Reach { shift: None, at: Some(at.saturating_sub(back)) },
                None => Reach { shift: Some(back), at: None },
            }
        };
        self.subqueries(reach)
    }

    /// Conditions on labels, up to the closing brace.
    fn matchers(&mut self) -> Result<(), PromqlError> {
        while !self.eat("}")? {
            match self.token {
                Token::Word(_) | Token::Text => self.advance()?,
                _ => return Err(self.unexpected("a label")),
            };
            if matches!(self.token, Token::Sign("=" | "!=" | "=~" | "!~")) {
                self.advance()?;
                if self.token != Token::Text {
                    return Err(self.unexpected("a string"));
                }
                self.advance()?;
            }
            if !self.eat(",")? && self.token != Token::Sign("}") {
                return Err(self.unexpected("\",\" or \"}\""));
            }
        }
        Ok(())
    }

    /// Subqueries over what was read, if any follow.
    fn subqueries(&mut self, mut reach: Reach) -> Result<Reach, PromqlError> {
        while self.token == Token::Sign("[") {
            let (range, is_subquery) = self.brackets()?;
            if !is_subquery {
                return Err(PromqlError::Unexpected {
                    found: "a range".to_owned(),
                    expected: "a subquery, since only a selector has a range",
                });
            }
            let modifiers = self.modifiers()?;
            reach = wrapped(reach, range, modifiers);
        }
        Ok(reach)
    }

    /// A range in brackets, in milliseconds, and whether it is a subquery's.
    fn brackets(&mut self) -> Result<(i64, bool), PromqlError> {
        self.token = self.lexer.next(true)?;
        let range = self.duration(true)?;
        let is_subquery = self.token == Token::Sign(":");
        if is_subquery {
            self.token = self.lexer.next(true)?;
            if self.token != Token::Sign("]") {
                self.duration(true)?;
            }
        }
        self.expect("]")?;
        Ok((range, is_subquery))
    }

    fn duration(&mut self, in_brackets: bool) -> Result<i64, PromqlError> {
        let Token::Number(text) = self.token else { return Err(self.unexpected("a duration")) };
        let millis = parse_duration(text).ok_or_else(|| PromqlError::Duration(text.to_owned()))?;
        self.token = self.lexer.next(in_brackets)?;
        Ok(millis)
    }

    fn modifiers(&mut self) -> Result<Modifiers, PromqlError> {
        let mut modifiers = Modifiers::default();
        loop {
            if self.is_word(&["offset"]) {
                self.advance()?;
                let sign = self.sign()?;
                modifiers.offset = sign.saturating_mul(self.duration(false)?);
            } else if self.eat("@")? {
                modifiers.at = Some(self.instant()?);
            } else {
                return Ok(modifiers);
            }
        }
    }

    fn sign(&mut self) -> Result<i64, PromqlError> {
        if self.eat("-")? {
            return Ok(-1);
        }
        self.eat("+")?;
        Ok(1)
    }

    /// What stands behind `@`: seconds since the epoch, or an end of the query's span.
    fn instant(&mut self) -> Result<UnixMillis, PromqlError> {
        let sign = self.sign()?;
        match self.token {
            Token::Number(text) => {
                let seconds: f64 = text.parse().map_err(|_| self.unexpected("a timestamp"))?;
                self.advance()?;
                // A cast saturates.
                Ok(UnixMillis::new(((seconds * 1_000.0).round() as i64).saturating_mul(sign)))
            }
            Token::Word(word @ ("start" | "end")) => {
                self.advance()?;
                self.expect("(")?;
                self.expect(")")?;
                Ok(if word == "start" { self.span.start } else { self.span.end })
            }
            _ => Err(self.unexpected("a timestamp")),
        }
    }
}

/// What a subquery makes of the reach of what it holds: all that is not fixed moves back.
fn wrapped(reach: Reach, range: i64, modifiers: Modifiers) -> Reach {
    let back = range.saturating_add(modifiers.offset);
    let shift = reach.shift.map(|shift| shift.saturating_add(back));
    match modifiers.at {
        None => Reach { shift, ..reach },
        Some(at) => {
            let fixed = shift.map(|shift| at.saturating_sub(shift));
            Reach { shift: None, at: reach.at.into_iter().chain(fixed).min() }
        }
    }
}

#[cfg(test)]
mod tests;
