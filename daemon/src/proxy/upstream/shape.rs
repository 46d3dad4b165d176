//! Requests in the form in which each protocol has them. The address in a request and its Host header
//! say the same in two places; either form can be made of the other.

use http::header::{HOST, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version};

/// Puts the request's path behind `base`; nothing to do where that is empty.
pub(super) fn behind<B>(request: &mut Request<B>, base: &str) -> Result<(), http::Error> {
    if base.is_empty() || request.method() == Method::CONNECT {
        return Ok(());
    }
    let joined = match request.uri().path_and_query().map_or("/", PathAndQuery::as_str) {
        // `OPTIONS *` is of no path.
        "*" => return Ok(()),
        rest if rest.starts_with('/') => format!("{base}{rest}"),
        rest => format!("{base}/{rest}"),
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.path_and_query = Some(joined.parse()?);
    // An address without a scheme has no authority either, once it has a path.
    if parts.scheme.is_none() {
        parts.authority = None;
    }
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

/// As HTTP/1.1 has it: only the path, and the rest in the Host header.
pub(super) fn for_http1<B>(request: &mut Request<B>, host: &HeaderValue) -> Result<(), http::Error> {
    *request.version_mut() = Version::HTTP_11;
    let known = request.headers().contains_key(HOST);
    if !known {
        let named = request.uri().authority().map(|authority| HeaderValue::try_from(authority.as_str()));
        let named = named.transpose()?.unwrap_or_else(|| host.clone());
        request.headers_mut().insert(HOST, named);
    }
    if request.uri().authority().is_some() && request.method() != Method::CONNECT {
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        *request.uri_mut() = path.into();
    }
    Ok(())
}

/// As HTTP/2 has it: everything in the address, and no Host header.
pub(super) fn for_http2<B>(
    request: &mut Request<B>,
    scheme: Scheme,
    host: &HeaderValue,
) -> Result<(), http::Error> {
    *request.version_mut() = Version::HTTP_2;
    if request.method() == Method::CONNECT {
        request.headers_mut().remove(HOST);
        return Ok(());
    }
    let of = |value: &HeaderValue| Authority::try_from(value.as_bytes()).ok();
    let named = request.headers_mut().remove(HOST).as_ref().and_then(of);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.authority = named.or(parts.authority).or_else(|| of(host));
    parts.scheme = Some(scheme);
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

/// Whether the connection may become another protocol's by it, which only HTTP/1.1's can.
pub(super) fn may_take_over<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(UPGRADE) || request.method() == Method::CONNECT
}
