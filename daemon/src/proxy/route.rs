//! Which route a request takes: by path, method and headers; the first that matches counts.
//!
//! Paths are compared in their plain form ([`plain`]), so that a route cannot be passed by with other
//! spellings of it. What is forwarded is the path as it came.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use regex::bytes::Regex;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The window of this index decides.
    Protect(usize),
    /// It is forwarded without asking the window.
    PassThrough,
    /// It is refused.
    Deny,
}

/// Which requests, and what happens to them.
#[derive(Clone, Debug)]
pub struct Route {
    /// What metrics call it.
    pub name: Arc<str>,
    /// Which paths; none for all.
    pub path: Option<PathRule>,
    /// Which methods; empty for all.
    pub methods: Vec<Method>,
    /// What headers must say, all of them.
    pub headers: Vec<HeaderRule>,
    /// What happens.
    pub action: Action,
}

/// Which paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRule {
    /// This one.
    Exact(String),
    /// All that begin so.
    Prefix(String),
}

/// What one header must say.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// Its name.
    pub name: HeaderName,
    /// What one of its values must be.
    pub value: ValueRule,
}

/// What a value must be.
#[derive(Clone, Debug)]
pub enum ValueRule {
    /// This.
    Exact(Vec<u8>),
    /// Something that this matches as a whole; it is anchored.
    Matches(Regex),
}

/// The routes of a policy, in their order, with what happens to requests that none of them means.
#[derive(Clone, Debug)]
pub struct Routes {
    routes: Vec<Route>,
}

impl Routes {
    /// These routes; whatever they leave is protected by the policy's window and called `default`.
    #[must_use]
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.push(Route {
            name: "default".into(),
            path: None,
            methods: Vec::new(),
            headers: Vec::new(),
            action: Action::Protect(0),
        });
        Self { routes }
    }

    /// The first that means a request, and its place among [`Routes::names`].
    #[must_use]
    pub fn find(&self, method: &Method, path: &str, headers: &HeaderMap) -> (usize, Action) {
        let path = plain(path);
        let matching = |route: &Route| route.matches(method, &path, headers);
        let index = self.routes.iter().position(matching).unwrap_or(self.routes.len() - 1);
        (index, self.routes[index].action)
    }

    /// What metrics call them, and what they do.
    pub fn actions(&self) -> impl Iterator<Item = (&Arc<str>, Action)> {
        self.routes.iter().map(|route| (&route.name, route.action))
    }

    /// What metrics call them, in their order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.routes.iter().map(|route| &route.name)
    }
}

impl Route {
    fn matches(&self, method: &Method, path: &str, headers: &HeaderMap) -> bool {
        let path_fits = self.path.as_ref().is_none_or(|rule| match rule {
            PathRule::Exact(exact) => path == exact,
            PathRule::Prefix(prefix) => path.starts_with(prefix.as_str()),
        });
        path_fits
            && (self.methods.is_empty() || self.methods.contains(method))
            && self.headers.iter().all(|rule| rule.matches(headers))
    }
}

impl HeaderRule {
    fn matches(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|value| match &self.value {
            ValueRule::Exact(exact) => value.as_bytes() == exact,
            ValueRule::Matches(regex) => regex.is_match(value.as_bytes()),
        })
    }
}

/// A path as a server would read it that reads as much into it as any: percent signs decoded but for
/// slashes, slashes in a row taken for one, and dots walked.
#[must_use]
pub fn plain(path: &str) -> Cow<'_, str> {
    let odd = path.contains('%') || path.contains("//") || path.contains("/.") || path.contains(['\\', ';']);
    if !odd && path.starts_with('/') {
        return Cow::Borrowed(path);
    }
    let decoded = decode(path);
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_folder = true;
    for segment in decoded.split(['/', '\\']) {
        // Some servers leave out what stands behind a semicolon.
        let segment = segment.split(';').next().unwrap_or_default();
        ends_in_folder = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut plain = String::with_capacity(decoded.len() + 1);
    for segment in &segments {
        plain.push('/');
        plain.push_str(segment);
    }
    if ends_in_folder || segments.is_empty() {
        plain.push('/');
    }
    Cow::Owned(plain)
}

/// Percent signs decoded, once; what is no UTF-8 then, and an encoded slash, stays as it was.
fn decode(path: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let bytes = path.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let pair = (byte == b'%').then(|| Some((hex(*bytes.get(at + 1)?)?, hex(*bytes.get(at + 2)?)?)));
        match pair.flatten().map(|(high, low)| (high * 16 + low) as u8) {
            Some(value) if value != b'/' => {
                decoded.push(value);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_path_are_one() {
        for (path, expected) in [
            ("/admin/x", "/admin/x"),
            ("/%61dmin/x", "/admin/x"),
            ("//admin//x", "/admin/x"),
            ("/a/../admin/./x", "/admin/x"),
            ("/a/%2e%2e/admin/x", "/admin/x"),
            ("/admin;v=1/x", "/admin/x"),
            ("/\\admin\\x", "/admin/x"),
            ("/admin/", "/admin/"),
            ("/admin/x/..", "/admin/"),
            ("/a%2Fb", "/a%2Fb"),
            ("/%zz%2", "/%zz%2"),
            ("/%ff", "/%ff"),
            ("/../..", "/"),
            ("*", "/*"),
            ("", "/"),
        ] {
            assert_eq!(plain(path), expected, "{path}");
        }
    }

    fn route(name: &str, path: PathRule, action: Action) -> Route {
        Route { name: name.into(), path: Some(path), methods: Vec::new(), headers: Vec::new(), action }
    }

    #[test]
    fn the_first_route_that_matches_counts() {
        let by_header = HeaderRule {
            name: HeaderName::from_static("x-kind"),
            value: ValueRule::Matches(Regex::new("^(?:batch.*)$").unwrap()),
        };
        let routes = Routes::new(vec![
            route("health", PathRule::Exact("/healthz".to_owned()), Action::PassThrough),
            Route {
                methods: vec![Method::GET],
                ..route("get", PathRule::Prefix("/api/".to_owned()), Action::Protect(1))
            },
            Route {
                headers: vec![by_header],
                ..route("batch", PathRule::Prefix("/".to_owned()), Action::Protect(2))
            },
            route("admin", PathRule::Prefix("/admin/".to_owned()), Action::Deny),
        ]);
        let find = |method, path, kind: &'static str| {
            let headers = HeaderMap::from_iter([("x-kind".parse().unwrap(), kind.parse().unwrap())]);
            let (index, action) = routes.find(&method, path, &headers);
            (routes.names().nth(index).unwrap().to_string(), action)
        };
        assert_eq!(find(Method::GET, "/healthz", ""), ("health".to_owned(), Action::PassThrough));
        assert_eq!(find(Method::GET, "/api/x", ""), ("get".to_owned(), Action::Protect(1)));
        assert_eq!(find(Method::POST, "/api/x", ""), ("default".to_owned(), Action::Protect(0)));
        assert_eq!(find(Method::POST, "/api/x", "batch1"), ("batch".to_owned(), Action::Protect(2)));
        assert_eq!(find(Method::POST, "/api/x", "a batch"), ("default".to_owned(), Action::Protect(0)));
        assert_eq!(find(Method::GET, "//%61dmin/x", ""), ("admin".to_owned(), Action::Deny));
    }
}
