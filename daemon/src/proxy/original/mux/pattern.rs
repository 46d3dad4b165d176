//! One pattern: `[METHOD ][host]/path`.

use std::borrow::Cow;
use std::str::FromStr;

use http::Method;

use super::path::{cleaned, unescaped};

/// Which requests, as Go's `ServeMux` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    method: Option<String>,
    host: String,
    segments: Vec<Segment>,
}

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// This one; `/` is a slash at the end.
    Literal(String),
    /// Any one.
    Wild,
    /// All that follow, or none.
    Rest,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing.
    #[error("it is empty; write a path such as /api/")]
    Empty,
    /// What stands before the blank.
    #[error("{0:?} is no method")]
    Method(String),
    /// No path.
    #[error("it has no path; write one that begins with a slash")]
    NoSlash,
    /// Braces before the path.
    #[error("its host has a brace; begin a path with a slash")]
    Host,
    /// Such a path is redirected before anything is matched.
    #[error("no request with a method has such a path; write {0:?}")]
    Unclean(String),
    /// A brace that is not the whole of a segment.
    #[error("the segment {0:?} has a brace; a wildcard is a whole segment, such as {{id}}")]
    Segment(String),
    /// Something behind what takes all the rest.
    #[error("{0:?} must stand at the end")]
    NotLast(String),
    /// A name that is none.
    #[error("the wildcard {0:?} needs a name of letters and digits")]
    Name(String),
    /// One name for two.
    #[error("the wildcard {0:?} stands twice")]
    Twice(String),
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let (method, rest) = match text.split_once([' ', '\t']) {
            Some((method, rest)) => (Some(method), rest.trim_start_matches([' ', '\t'])),
            None => (None, text),
        };
        if let Some(method) = method.filter(|method| method.parse::<Method>().is_err()) {
            return Err(PatternError::Method(method.to_owned()));
        }
        let slash = rest.find('/').ok_or(PatternError::NoSlash)?;
        let (host, path) = rest.split_at(slash);
        if host.contains('{') {
            return Err(PatternError::Host);
        }
        if method.is_some_and(|method| method != "CONNECT") && cleaned(path) != path {
            return Err(PatternError::Unclean(cleaned(path).into_owned()));
        }
        Ok(Self { method: method.map(str::to_owned), host: host.to_owned(), segments: segments(path)? })
    }
}

fn segments(path: &str) -> Result<Vec<Segment>, PatternError> {
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    let (mut segments, mut names) = (Vec::new(), Vec::new());
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if part.is_empty() && is_last {
            segments.push(Segment::Rest);
            break;
        }
        if !part.contains('{') {
            segments.push(Segment::Literal(unescaped(part).into_owned()));
            continue;
        }
        let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let inner = inner.ok_or_else(|| PatternError::Segment(part.to_owned()))?;
        let rest = inner.strip_suffix("...");
        if (inner == "$" || rest.is_some()) && !is_last {
            return Err(PatternError::NotLast(part.to_owned()));
        }
        if inner == "$" {
            segments.push(Segment::Literal("/".to_owned()));
            break;
        }
        let name = rest.unwrap_or(inner);
        let starts_well = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        if !starts_well || !name.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
            return Err(PatternError::Name(part.to_owned()));
        }
        if names.contains(&name) {
            return Err(PatternError::Twice(name.to_owned()));
        }
        names.push(name);
        segments.push(if rest.is_some() { Segment::Rest } else { Segment::Wild });
    }
    Ok(segments)
}

impl Pattern {
    /// The method; none for all.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// Whether requests to `host` are meant.
    pub(super) fn takes_host(&self, host: &str) -> bool {
        self.host.is_empty() || self.host == host
    }

    /// Whether requests with `method` are meant; HEAD is, where GET is.
    pub(super) fn takes_method(&self, method: &Method) -> bool {
        self.method.as_deref().is_none_or(|own| own == method || (own == "GET" && method == Method::HEAD))
    }

    /// Whether a path of these segments is meant.
    pub(super) fn takes_path(&self, path: &[Cow<'_, str>]) -> bool {
        let mut path = path.iter();
        for segment in &self.segments {
            match (segment, path.next()) {
                (Segment::Rest, there) => return there.is_some(),
                (Segment::Literal(literal), Some(there)) if literal == there => {}
                (Segment::Wild, Some(there)) if there != "/" => {}
                _ => return false,
            }
        }
        path.next().is_none()
    }

    /// Whether a path that is meant is so without anything in place of a slash at the pattern's end.
    pub(super) fn is_exact_for(&self, path: &str) -> bool {
        let slashes = path.bytes().filter(|&byte| byte == b'/').count();
        self.segments.last() != Some(&Segment::Rest)
            || (path.ends_with('/') && slashes == self.segments.len())
    }

    /// Of two that mean a request, the one with the lower rank is the more specific.
    pub(super) fn rank(&self) -> (bool, u8, Vec<u8>) {
        let method = match self.method() {
            None => 2,
            Some("GET") => 1,
            Some(_) => 0,
        };
        let kind = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Wild => 1,
            Segment::Rest => 2,
        };
        (self.host.is_empty(), method, self.segments.iter().map(kind).collect())
    }

    /// Whether some requests are meant by both, of which neither is more specific. With a host and
    /// without is never a conflict.
    #[must_use]
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let wider = |a: Option<&str>, b: Option<&str>| {
            a != b && (a.is_none() || (a == Some("GET") && b == Some("HEAD")))
        };
        let (method, others) = (self.method(), other.method());
        let (mut here, mut there) = (wider(method, others), wider(others, method));
        if self.host != other.host || (method != others && !here && !there) {
            return false;
        }
        let (mut left, mut right) = (self.segments.iter(), other.segments.iter());
        loop {
            match (left.next(), right.next()) {
                (None, None) => return here == there,
                (Some(Segment::Rest), Some(Segment::Rest)) => {}
                // Whatever follows, the one that takes all of it is the wider from here on.
                (Some(Segment::Rest), Some(_)) => return there,
                (Some(_), Some(Segment::Rest)) => return here,
                (Some(Segment::Wild), Some(Segment::Wild)) => {}
                (Some(Segment::Wild), Some(Segment::Literal(literal))) if literal != "/" => here = true,
                (Some(Segment::Literal(literal)), Some(Segment::Wild)) if literal != "/" => there = true,
                (Some(Segment::Literal(one)), Some(Segment::Literal(two))) if one == two => {}
                _ => return false,
            }
        }
    }
}
