//! Which route a request takes: by path, method and headers; the first that matches counts. A file of
//! throttle-proxy's has patterns of Go's instead ([`mux`]).
//!
//! Paths are compared in their plain form ([`plain`]), so that a route cannot be passed by with other
//! spellings of it. What is forwarded is the path as it came.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use regex::bytes::Regex;

use super::original::mux::{self, Mux};

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The window of this index decides.
    Protect(usize),
    /// It is forwarded without asking the window.
    PassThrough,
    /// It is refused.
    Deny,
    /// It gets this answer, and nobody is asked.
    Answer(Box<Fixed>),
}

/// An answer that is known without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
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

/// The routes of a policy, with what happens to requests that none of them means.
#[derive(Clone, Debug)]
pub struct Routes(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// As a policy declares them: the first that matches counts.
    Declared(Vec<Route>),
    /// As a file of throttle-proxy's has them: the most specific counts.
    Patterns { mux: Arc<Mux>, names: [Arc<str>; 3] },
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
        Self(Kind::Declared(routes))
    }

    /// The routes of a file: what it calls proxied is protected by the policy's window.
    #[must_use]
    pub fn of_patterns(mux: Mux) -> Self {
        let names = ["proxied", "passthrough", "answered"].map(Into::into);
        Self(Kind::Patterns { mux: Arc::new(mux), names })
    }

    /// What happens to a request with this head, and its route's place among [`Routes::names`].
    #[must_use]
    pub fn find(&self, head: &Parts) -> (usize, Action) {
        match &self.0 {
            Kind::Declared(routes) => {
                let path = plain(head.uri.path());
                let matching = |route: &Route| route.matches(&head.method, &path, &head.headers);
                let index = routes.iter().position(matching).unwrap_or(routes.len() - 1);
                (index, routes[index].action.clone())
            }
            Kind::Patterns { mux, .. } => match mux.find(head) {
                mux::Answer::Proxied => (0, Action::Protect(0)),
                mux::Answer::PassedThrough => (1, Action::PassThrough),
                answer => (2, Action::Answer(Box::new(mux::reply::fixed(&answer, &head.method)))),
            },
        }
    }

    /// Those that are declared: what metrics call them, and what they do.
    pub fn actions(&self) -> impl Iterator<Item = (&Arc<str>, &Action)> {
        let routes: &[Route] = match &self.0 {
            Kind::Declared(routes) => routes,
            Kind::Patterns { .. } => &[],
        };
        routes.iter().map(|route| (&route.name, &route.action))
    }

    /// What metrics call them, in their order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let (routes, names): (&[Route], &[Arc<str>]) = match &self.0 {
            Kind::Declared(routes) => (routes, &[]),
            Kind::Patterns { names, .. } => (&[], names),
        };
        routes.iter().map(|route| &route.name).chain(names)
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
            let request = http::Request::builder().method(method).uri(path).header("x-kind", kind);
            let (index, action) = routes.find(&request.body(()).unwrap().into_parts().0);
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
