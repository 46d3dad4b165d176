//! Requests that are always refused, by a header and a regular expression.

use regex::bytes::{Regex, RegexBuilder};

/// The most memory that one compiled expression may take, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// Rules by which requests are refused, in the order in which they were declared.
#[derive(Clone, Debug, Default)]
pub struct BlockRules(Vec<BlockRule>);

#[derive(Clone, Debug)]
struct BlockRule {
    header: String,
    pattern: Regex,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockRuleError {
    /// Nothing divides header and expression.
    #[error("pattern \"{0}\" did not match `<header>=<regex>`")]
    NoDivision(String),
    /// There is no header named.
    #[error("header is empty for pattern \"{0}\"")]
    NoHeader(String),
    /// Not a regular expression, or too large a one.
    #[error("pattern \"{pattern}\" is not a regular expression: {reason}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The rule that refuses a request, and what it met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header {header}, value {value} blocked by regex {pattern}")]
pub struct Blocked {
    /// The header's name, as declared.
    pub header: String,
    /// Its value, where it is no text with replacement characters.
    pub value: String,
    /// The expression.
    pub pattern: String,
}

impl BlockRules {
    /// No rules.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a rule: a request is refused where `pattern` matches any part of any value of `header`,
    /// whose case does not matter. A header may have several rules.
    ///
    /// # Errors
    /// [`BlockRuleError`] for an empty header or a bad pattern.
    pub fn push(&mut self, header: &str, pattern: &str) -> Result<(), BlockRuleError> {
        if header.is_empty() {
            return Err(BlockRuleError::NoHeader(format!("={pattern}")));
        }
        let compiled = RegexBuilder::new(pattern).size_limit(MAX_COMPILED_BYTES).build();
        let pattern = compiled.map_err(|error| BlockRuleError::Pattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })?;
        self.0.push(BlockRule { header: header.to_owned(), pattern });
        Ok(())
    }

    /// Adds a rule written as `header=regex`; the expression may hold more of `=`.
    ///
    /// # Errors
    /// As [`BlockRules::push`], and where there is no `=`.
    pub fn push_text(&mut self, text: &str) -> Result<(), BlockRuleError> {
        let (header, pattern) =
            text.split_once('=').ok_or_else(|| BlockRuleError::NoDivision(text.to_owned()))?;
        self.push(header, pattern)
    }

    /// The first rule that refuses a request, if any does. `values` gives a header's values by its name,
    /// whatever its case.
    #[must_use]
    pub fn find<'h, V: IntoIterator<Item = &'h [u8]>>(&self, values: impl Fn(&str) -> V) -> Option<Blocked> {
        self.0.iter().find_map(|rule| {
            let mut values = values(&rule.header).into_iter();
            let value = values.find(|value| rule.pattern.is_match(value))?;
            Some(Blocked {
                header: rule.header.clone(),
                value: String::from_utf8_lossy(value).into_owned(),
                pattern: rule.pattern.as_str().to_owned(),
            })
        })
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> BlockRules {
        let mut rules = BlockRules::new();
        for text in texts {
            rules.push_text(text).unwrap();
        }
        rules
    }

    fn find(rules: &BlockRules, headers: &[(&str, &[u8])]) -> Option<String> {
        let values = |name: &str| {
            let named = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            named.map(|(_, value)| *value).collect::<Vec<_>>()
        };
        rules.find(values).map(|blocked| blocked.to_string())
    }

    #[test]
    fn texts_that_are_no_rules_are_refused_by_name() {
        let text = |text| BlockRules::new().push_text(text).unwrap_err().to_string();
        assert_eq!(text("=value.*here"), "header is empty for pattern \"=value.*here\"");
        assert_eq!(text("header"), "pattern \"header\" did not match `<header>=<regex>`");
        assert!(text("h=(").starts_with("pattern \"(\" is not a regular expression: "));
        assert!(text("h=(a{1000}){1000}").contains("size limit"));
        assert!(rules(&[]).is_empty() && !rules(&["a=b", "c=d=e"]).is_empty());
    }

    #[test]
    fn a_match_is_told_as_it_always_was() {
        let rules = rules(&["X-Service=service.*", "x-lower=a=b", "X-Service=^other$"]);
        assert_eq!(
            find(&rules, &[("x-service", b"my service1")]).as_deref(),
            Some("header X-Service, value my service1 blocked by regex service.*")
        );
        assert_eq!(
            find(&rules, &[("X-Service", b"fine"), ("x-service", b"other")]).as_deref(),
            Some("header X-Service, value other blocked by regex ^other$"),
            "every value and every rule of a header is looked at"
        );
        assert!(find(&rules, &[("X-LOWER", b"xa=bx")]).is_some());
        assert!(find(&rules, &[("x-lower", b"a=c"), ("x-other", b"service")]).is_none());
        assert!(find(&rules, &[("x-service", b"\xffservice")]).is_some_and(|text| text.contains('\u{fffd}')));
    }
}
