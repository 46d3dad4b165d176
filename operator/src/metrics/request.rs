//! What a request to the API server is, read from its method and its path, in words that are few.

use std::fmt;

use http::{HeaderMap, Method, StatusCode, Uri, header::CONTENT_TYPE};

/// Resources that have a label of their own; all others share one, so that labels stay few whatever
/// is asked for.
const RESOURCES: [&str; 21] = [
    "backpressurepolicies",
    "configmaps",
    "customresourcedefinitions",
    "deployments",
    "endpointslices",
    "events",
    "horizontalpodautoscalers",
    "leases",
    "namespaces",
    "networkpolicies",
    "poddisruptionbudgets",
    "pods",
    "ratelimitclusters",
    "ratelimits",
    "rolebindings",
    "roles",
    "secrets",
    "serviceaccounts",
    "servicemonitors",
    "services",
    "statefulsets",
];

/// What a request does, as RBAC and the API server's own metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads one object, or something that is no object.
    Get,
    /// Reads a collection once.
    List,
    /// Follows a collection.
    Watch,
    /// Makes an object.
    Create,
    /// Replaces an object.
    Update,
    /// Server-side apply.
    Apply,
    /// Any other patch.
    Patch,
    /// Deletes one object or a collection.
    Delete,
    /// Anything else.
    Other,
}

impl Verb {
    /// The word in the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Apply => "apply",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Other => "other",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It was answered.
    Status(StatusCode),
    /// No answer came.
    Error,
    /// Nobody waited for the answer.
    Dropped,
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => formatter.write_str(status.as_str()),
            Self::Error => formatter.write_str("error"),
            Self::Dropped => formatter.write_str("dropped"),
        }
    }
}

/// A request, in words that are few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKind {
    /// What it does.
    pub verb: Verb,
    /// To what: `pods`, `ratelimits/status`, `other`; `none` where it is no resource (`/version`).
    pub resource: String,
}

impl RequestKind {
    /// Of a request as a client sends it.
    #[must_use]
    pub fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let Some(path) = ResourcePath::parse(uri.path()) else {
            let verb = if method == Method::GET { Verb::Get } else { Verb::Other };
            return Self { verb, resource: "none".to_owned() };
        };
        let verb = match *method {
            Method::GET if is_watch(uri) => Verb::Watch,
            Method::GET if path.named => Verb::Get,
            Method::GET => Verb::List,
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH if is_apply(headers) => Verb::Apply,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            _ => Verb::Other,
        };
        Self { verb, resource: path.label() }
    }
}

/// `/api/v1/…` or `/apis/GROUP/VERSION/…`, taken apart.
struct ResourcePath<'a> {
    resource: &'a str,
    named: bool,
    subresource: Option<&'a str>,
}

impl<'a> ResourcePath<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        match segments.next()? {
            "api" => segments.next()?,
            "apis" => segments.nth(1)?,
            _ => return None,
        };
        let rest: Vec<&str> = segments.take(5).collect();
        // A namespace's own subresources are not what lies in it.
        let rest = match rest.as_slice() {
            ["namespaces", _, "status" | "finalize"] => &rest[..],
            ["namespaces", _, inner @ ..] if !inner.is_empty() => inner,
            all => all,
        };
        let (resource, rest) = rest.split_first()?;
        Some(Self { resource, named: !rest.is_empty(), subresource: rest.get(1).copied() })
    }

    fn label(&self) -> String {
        let Some(resource) = RESOURCES.iter().find(|known| **known == self.resource) else {
            return "other".to_owned();
        };
        match self.subresource {
            None => (*resource).to_owned(),
            Some(subresource @ ("status" | "scale" | "finalizers")) => format!("{resource}/{subresource}"),
            Some(_) => format!("{resource}/other"),
        }
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1")))
}

fn is_apply(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    content_type.starts_with(b"application/apply-patch")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn kind(method: &Method, uri: &str) -> (&'static str, String) {
        let kind = RequestKind::of(method, &uri.parse().unwrap(), &HeaderMap::new());
        (kind.verb.as_str(), kind.resource)
    }

    #[test]
    fn reads_tell_one_many_and_watching_apart() {
        for (uri, verb, resource) in [
            ("/api/v1/pods", "list", "pods"),
            ("/api/v1/pods?labelSelector=a&watch=true", "watch", "pods"),
            ("/api/v1/namespaces/edge/pods/main-0", "get", "pods"),
            ("/api/v1/namespaces/edge/pods/main-0/log", "get", "pods/other"),
            ("/api/v1/namespaces", "list", "namespaces"),
            ("/api/v1/namespaces?watch=1", "watch", "namespaces"),
            ("/api/v1/namespaces/edge", "get", "namespaces"),
            ("/api/v1/namespaces/edge/status", "get", "namespaces/status"),
            ("/apis/wicketgate.dev/v1alpha1/ratelimits?limit=500", "list", "ratelimits"),
            ("/apis/wicketgate.dev/v1alpha1/namespaces/edge/ratelimits/a", "get", "ratelimits"),
            ("/apis/example.com/v1/namespaces/edge/secretthings/a", "get", "other"),
            ("/version", "get", "none"),
            ("/apis/apps/v1", "get", "none"),
            ("/apis", "get", "none"),
            ("/", "get", "none"),
        ] {
            assert_eq!(kind(&Method::GET, uri), (verb, resource.to_owned()), "{uri}");
        }
    }

    #[test]
    fn writes_tell_status_apart() {
        let limit = "/apis/wicketgate.dev/v1alpha1/namespaces/edge/ratelimits/a";
        assert_eq!(kind(&Method::PATCH, &format!("{limit}/status")), ("patch", "ratelimits/status".into()));
        assert_eq!(kind(&Method::DELETE, limit), ("delete", "ratelimits".into()));
        assert_eq!(kind(&Method::PUT, limit), ("update", "ratelimits".into()));
        let events = "/apis/events.k8s.io/v1/namespaces/edge/events";
        assert_eq!(kind(&Method::POST, events), ("create", "events".into()));
    }

    #[test]
    fn an_apply_is_known_by_its_content_type() {
        let uri = "/apis/apps/v1/namespaces/edge/statefulsets/main?fieldManager=a".parse().unwrap();
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/apply-patch+yaml"))]);
        assert_eq!(RequestKind::of(&Method::PATCH, &uri, &headers).verb, Verb::Apply);
        assert_eq!(RequestKind::of(&Method::PATCH, &uri, &HeaderMap::new()).verb, Verb::Patch);
    }

    #[test]
    fn resources_are_sorted_and_few() {
        assert!(RESOURCES.is_sorted());
    }
}
