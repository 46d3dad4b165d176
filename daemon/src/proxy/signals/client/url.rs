//! From the address of a server to the address of a question.

use http::Uri;

use crate::proxy::url::{self, ServerUrl};

/// Where instant queries are answered.
const PATH: &str = "/api/v1/query";

/// A server's address, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// Scheme, host and port.
    pub(super) origin: String,
    /// Path of the questions.
    path: String,
    /// Name and password, where the address has them.
    pub(super) login: Option<(String, String)>,
}

/// Why a text is no address. None of them shows it: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("{0}; write it like http://prometheus.monitoring:9090")]
    Syntax(String),
    #[error("its scheme must be http or https, not {0:?}")]
    Scheme(String),
    #[error("it must not have a query string: /api/v1/query and the question come behind it")]
    Query,
}

impl Base {
    /// Reads the address of a server: with or without a path, slashes at its end or `/api/v1/query`.
    pub(super) fn parse(url: &str) -> Result<Self, UrlError> {
        let url = ServerUrl::parse(url).map_err(|error| match error {
            url::UrlError::Scheme(scheme) if !scheme.is_empty() => UrlError::Scheme(scheme),
            url::UrlError::Scheme(_) => UrlError::Syntax("it names no scheme".to_owned()),
            error => UrlError::Syntax(error.to_string()),
        })?;
        if url.has_query {
            return Err(UrlError::Query);
        }
        let path = url.path.strip_suffix(PATH).unwrap_or(&url.path).trim_end_matches('/');
        Ok(Self { origin: url.origin(), path: format!("{path}{PATH}"), login: url.login })
    }

    /// The address of a question.
    pub(super) fn question(&self, query: &str) -> Result<Uri, http::uri::InvalidUri> {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        format!("{}{}?query={query}", self.origin, self.path).parse()
    }
}

/// An address as it may be shown: without name, password and query string.
pub(super) fn shown(url: &str) -> String {
    let parsed = url.parse().ok().filter(|uri: &Uri| uri.scheme().is_some());
    match parsed.as_ref().and_then(|uri| Some((uri, uri.authority()?.as_str()))) {
        Some((uri, authority)) => {
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{}://{host}{}", uri.scheme_str().unwrap_or_default(), uri.path())
        }
        None => url
            .split(['?', '#'])
            .next()
            .filter(|path| path.starts_with('/'))
            .unwrap_or("elsewhere")
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_behind_the_address_exactly_once() {
        let uri = |url: &str| Base::parse(url).unwrap().question("sum(throughput)").unwrap().to_string();
        for (url, expected) in [
            ("http://prom:9090", "http://prom:9090/api/v1/query?query=sum%28throughput%29"),
            ("http://prom:9090//", "http://prom:9090/api/v1/query?query=sum%28throughput%29"),
            ("https://[::1]/a/b/", "https://[::1]/a/b/api/v1/query?query=sum%28throughput%29"),
            ("http://prom/a/api/v1/query", "http://prom/a/api/v1/query?query=sum%28throughput%29"),
            ("http://prom/api/v1/query/", "http://prom/api/v1/query?query=sum%28throughput%29"),
        ] {
            assert_eq!(uri(url), expected, "{url}");
        }
        let base = Base::parse("http://prom").unwrap();
        let odd = base.question("a{b=~\"c+\"} > 1 & ü").unwrap().to_string();
        assert_eq!(odd, "http://prom/api/v1/query?query=a%7Bb%3D%7E%22c%2B%22%7D+%3E+1+%26+%C3%BC");
    }

    #[test]
    fn a_login_in_the_address_is_taken_out_of_it() {
        let base = Base::parse("http://me:p%40ss@prom:9090/x").unwrap();
        assert_eq!(base.login, Some(("me".to_owned(), "p@ss".to_owned())));
        assert_eq!(base.question("up").unwrap().to_string(), "http://prom:9090/x/api/v1/query?query=up");
        assert_eq!(shown("http://me:pass@prom/x?token=1"), "http://prom/x");
        assert_eq!(shown("/login?next=1"), "/login");
        assert_eq!(shown("me:pass"), "elsewhere");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_shown() {
        let text = |url: &str| match Base::parse(url) {
            Err(error) => error.to_string(),
            Ok(base) => panic!("{url} is {}", base.origin),
        };
        assert_eq!(text("ftp://prom"), "its scheme must be http or https, not \"ftp\"");
        assert!(text("http://me:secret@prom:9090?x=1").starts_with("it must not have a query string"));
        for url in ["", "prom", "/x", "http://", "http://pr om", "secret@prom:9090", "http://prom:99999"] {
            let text = text(url);
            assert!(text.ends_with("write it like http://prometheus.monitoring:9090"), "{url}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
