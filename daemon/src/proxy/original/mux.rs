//! Which requests a file's paths mean: they are patterns of Go's `ServeMux`, such as `/api/v1/query`,
//! `/t/` for all below, `GET /x`, `host/x`, `/users/{id}`, `/files/{path...}` and `/only/{$}`. Of several
//! that mean a request the most specific counts, and those of which neither is are refused at the start.

use std::borrow::Cow;

use http::Method;
use http::request::Parts;

use self::path::{cleaned, decoded};
pub use self::pattern::{Pattern, PatternError};
use super::Problem;

mod path;
mod pattern;
pub mod reply;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It goes through the chain to the upstream.
    Proxied,
    /// It goes to the upstream as it is.
    PassedThrough,
    /// The proxy says that it is well.
    Healthz,
    /// It should have been sent there.
    Redirect(String),
    /// Nobody knows its path.
    NotFound,
    /// Its path is known for other methods: these.
    MethodNotAllowed(String),
}

/// Whose pattern it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Healthz,
    Proxied,
    PassedThrough,
}

/// All patterns of a file, the most specific first.
#[derive(Clone, Debug)]
pub struct Mux(Vec<(Pattern, Owner)>);

impl Mux {
    /// The patterns of `proxy_paths` and `passthrough_paths`; where the latter is empty, whatever is left
    /// passes through.
    ///
    /// # Errors
    /// For each pattern that is none, or means what another means.
    pub fn new(proxied: &[String], passed: &[String]) -> Result<Self, Vec<Problem>> {
        let own = ("/healthz of the proxy itself".to_owned(), "/healthz", Owner::Healthz);
        let all = ("the \"/\" that empty passthrough_paths stand for".to_owned(), "/", Owner::PassedThrough);
        let listed =
            [("proxy_paths", proxied, Owner::Proxied), ("passthrough_paths", passed, Owner::PassedThrough)];
        let listed = listed.into_iter().flat_map(|(key, texts, owner)| {
            let name = move |(nth, text): (usize, &String)| format!("{key}[{nth}] {text:?}");
            texts.iter().enumerate().map(move |(nth, text)| (name((nth, text)), text.as_str(), owner))
        });
        let entries = [own].into_iter().chain(listed).chain(passed.is_empty().then_some(all));
        let (mut mux, mut problems) = (Vec::<(Pattern, Owner, String)>::new(), Vec::new());
        for (name, text, owner) in entries {
            match text.parse::<Pattern>() {
                Err(fault) => problems.push(Problem::routes(format!("{name} is no pattern: {fault}"))),
                Ok(pattern) => match mux.iter().find(|(other, ..)| other.conflicts_with(&pattern)) {
                    Some((.., other)) => problems.push(Problem::routes(format!(
                        "{name} and {other} mean the same requests, and neither is more specific; leave one out"
                    ))),
                    None => mux.push((pattern, owner, name)),
                },
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut mux: Vec<_> = mux.into_iter().map(|(pattern, owner, _)| (pattern, owner)).collect();
        mux.sort_by_key(|(pattern, _)| pattern.rank());
        Ok(Self(mux))
    }

    /// What becomes of a request with this head.
    #[must_use]
    pub fn find(&self, head: &Parts) -> Answer {
        self.answer(&head.method, host(head), head.uri.path(), head.uri.query())
    }

    /// What becomes of a request; `host` without its port, `path` as it came.
    #[must_use]
    pub fn answer(&self, method: &Method, host: &str, path: &str, query: Option<&str>) -> Answer {
        // A tunnel asks for a host and for no path, and this is no proxy for that.
        if path.is_empty() {
            return Answer::NotFound;
        }
        let clean = if method == Method::CONNECT { Cow::Borrowed(path) } else { cleaned(path) };
        let best = self.best(method, host, &clean);
        let exact = best.is_some_and(|(pattern, _)| pattern.is_exact_for(&clean));
        if !exact && !clean.ends_with('/') {
            let below = format!("{clean}/");
            if self.best(method, host, &below).is_some_and(|(pattern, _)| pattern.is_exact_for(&below)) {
                return Answer::Redirect(location(&below, query));
            }
        }
        if clean != path {
            return Answer::Redirect(location(&clean, query));
        }
        match best {
            Some((_, Owner::Healthz)) => Answer::Healthz,
            Some((_, Owner::Proxied)) => Answer::Proxied,
            Some((_, Owner::PassedThrough)) => Answer::PassedThrough,
            None => self.without_a_match(host, &clean),
        }
    }

    fn best(&self, method: &Method, host: &str, path: &str) -> Option<&(Pattern, Owner)> {
        let segments = decoded(path);
        self.0.iter().find(|(pattern, _)| {
            pattern.takes_host(host) && pattern.takes_method(method) && pattern.takes_path(&segments)
        })
    }

    /// Known for other methods, or not at all.
    fn without_a_match(&self, host: &str, path: &str) -> Answer {
        let with_slash = format!("{path}/");
        let (here, below) = (decoded(path), decoded(&with_slash));
        let mut methods: Vec<&str> = Vec::new();
        for (pattern, _) in self.0.iter().filter(|(pattern, _)| pattern.takes_host(host)) {
            let fits = pattern.takes_path(&here) || (!path.ends_with('/') && pattern.takes_path(&below));
            if let Some(method) = pattern.method().filter(|_| fits) {
                methods.push(method);
                methods.extend((method == "GET").then_some("HEAD"));
            }
        }
        methods.sort_unstable();
        methods.dedup();
        if methods.is_empty() { Answer::NotFound } else { Answer::MethodNotAllowed(methods.join(", ")) }
    }
}

/// Where a redirect leads. What is no ASCII is encoded, so that it fits into a header.
fn location(path: &str, query: Option<&str>) -> String {
    let mut to = String::with_capacity(path.len() + query.map_or(0, |query| query.len() + 1));
    let whole = path.bytes().chain(query.map(|_| b'?')).chain(query.unwrap_or_default().bytes());
    for byte in whole {
        match byte {
            b'!'..=b'~' => to.push(char::from(byte)),
            _ => to.push_str(&format!("%{byte:02X}")),
        }
    }
    to
}

/// Whom a request is for, without the port: HTTP/2 says it with the URI, HTTP/1.1 in a header.
fn host(head: &Parts) -> &str {
    let header = || head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let whole = head.uri.authority().map(http::uri::Authority::as_str).or_else(header).unwrap_or_default();
    // What stands before an @ names a user.
    let whole = whole.rsplit_once('@').map_or(whole, |(_, host)| host);
    match whole.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
            // More colons without brackets are an address without a port.
            bare.unwrap_or_else(|| if host.contains(':') { whole } else { host })
        }
        _ => whole,
    }
}

#[cfg(test)]
mod tests;
