//! Addresses of servers that are asked over HTTP, as policies and files have them: upstreams and
//! Prometheus.

use std::fmt;

use http::Uri;
use http::uri::InvalidUri;
use percent_encoding::percent_decode_str;

/// An address, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether TLS is spoken: `https`, and not `http`.
    pub tls: bool,
    /// Name and password, where it has them.
    pub login: Option<(String, String)>,
    /// The host as it was written, so an IPv6 address stands in brackets.
    pub host: String,
    /// The port, where it names one.
    pub port: Option<u16>,
    /// The path, without slashes at its end.
    pub path: String,
    /// Whether there is a query string.
    pub has_query: bool,
}

/// Why a text is no address of a server. None shows the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is no URL at all.
    #[error(transparent)]
    Syntax(#[from] InvalidUri),
    /// Another scheme, or none where this is empty.
    #[error("its scheme must be http or https, not {0:?}")]
    Scheme(String),
    /// There is no host.
    #[error("it names no host")]
    Host,
    /// The port is none.
    #[error("its port is not a number from 0 to 65535")]
    Port,
}

impl ServerUrl {
    /// Takes an address apart.
    ///
    /// # Errors
    /// [`UrlError`] for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse()?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            other => return Err(UrlError::Scheme(other.unwrap_or_default().to_owned())),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(UrlError::Host)?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(decode(login)), place),
            None => (None, authority),
        };
        // A port that is no number is as none to the parser.
        let port = uri.port_u16();
        if port.is_none() && place.strip_prefix(host).is_some_and(|port| port.len() > 1) {
            return Err(UrlError::Port);
        }
        Ok(Self {
            tls,
            login,
            host: host.to_owned(),
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
            has_query: uri.query().is_some(),
        })
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        let (scheme, host) = (if self.tls { "https" } else { "http" }, &self.host);
        match self.port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerUrl").field(&self.origin()).finish_non_exhaustive()
    }
}

fn decode(login: &str) -> (String, String) {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (name, password) = login.split_once(':').unwrap_or((login, ""));
    (decode(name), decode(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let url = ServerUrl::parse("https://me:p%40ss@[::1]:8443/a/b//?x=1").unwrap();
        assert_eq!(url.login, Some(("me".to_owned(), "p@ss".to_owned())));
        assert_eq!((url.tls, url.host.as_str(), url.port), (true, "[::1]", Some(8443)));
        assert_eq!((url.path.as_str(), url.has_query), ("/a/b", true));
        assert_eq!(url.origin(), "https://[::1]:8443");
        assert_eq!(format!("{url:?}"), "ServerUrl(\"https://[::1]:8443\", ..)");
        let url = ServerUrl::parse("http://shop").unwrap();
        assert_eq!((url.origin().as_str(), url.path.as_str(), url.login), ("http://shop", "", None));
    }

    #[test]
    fn what_is_none_is_told_without_being_shown() {
        let fault = |text: &str| ServerUrl::parse(text).unwrap_err().to_string();
        assert_eq!(fault("ftp://shop"), "its scheme must be http or https, not \"ftp\"");
        for text in ["/x", "shop:80", "secret@shop"] {
            assert_eq!(fault(text), "its scheme must be http or https, not \"\"", "{text}");
        }
        for text in ["http://shop:port", "http://me:secret@shop:70000/", "http://[::1]:x"] {
            assert_eq!(fault(text), "its port is not a number from 0 to 65535", "{text}");
        }
        for text in ["", "http://", "http://sh op"] {
            assert!(matches!(ServerUrl::parse(text), Err(UrlError::Syntax(_))), "{text}");
        }
    }
}
