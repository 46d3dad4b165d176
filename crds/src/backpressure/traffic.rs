//! Where a policy's traffic comes in, where it goes, and what happens to it on the way.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Window;
use crate::reference::{ListenerTls, SecretKeyRef};

/// Where the traffic comes in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Port on the cluster's pods and its Service; each policy of a cluster has its own.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// TLS towards clients.
    #[serde(default)]
    pub tls: ListenerTls,
}

/// Where the traffic goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.service) != has(self.url)")
        .message("exactly one of service and url must be given"),
    validation = Rule::new("!has(self.tls) || !has(self.tls.caSecretRef) || (has(self.url) && self.url.startsWith('https://'))")
        .message("tls is for an upstream whose url begins with https://")
)]
pub struct Upstream {
    /// A Service in the policy's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<UpstreamService>,
    /// Any HTTP address, such as http://search.example:8080.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = "^https?://[^/?#]+(/[^?#]*)?$"))]
    pub url: Option<String>,
    /// How requests are spread over the Service's endpoints.
    #[serde(default)]
    pub load_balancing: LoadBalancing,
    /// Auto: HTTP/2 for gRPC, HTTP/1.1 for all else; with https, what the upstream chooses.
    #[serde(default)]
    pub protocol: UpstreamProtocol,
    /// TLS towards an upstream whose url begins with https.
    #[serde(default)]
    pub tls: UpstreamTls,
    /// Most connections that a pod opens.
    #[serde(default = "default_max_connections")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: i32,
}

fn default_max_connections() -> i32 {
    1024
}

/// A Service and its port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamService {
    /// Name of the Service.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// How requests are spread over endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LoadBalancing {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastInFlight,
}

/// What is spoken with the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpstreamProtocol {
    /// HTTP/2 for gRPC, HTTP/1.1 for all else.
    #[default]
    Auto,
    /// HTTP/1.1.
    HTTP1,
    /// HTTP/2, without TLS by prior knowledge.
    HTTP2,
}

/// TLS towards the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UpstreamTls {
    /// A key of a Secret in the policy's namespace that holds the certificates to trust. Absent: those
    /// of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
}

/// What happens to which requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.window) || self.action == 'Protect'")
        .message("window is for the action Protect: what passes through or is denied asks no window")
)]
pub struct Route {
    /// Name of the route in metrics. Absent: its place in the list, such as 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"))]
    pub name: Option<String>,
    /// Which requests are meant. Absent: all.
    #[serde(default, rename = "match")]
    pub match_: RouteMatch,
    /// Protect: the window decides. PassThrough: forwarded without asking the window. Deny: refused.
    #[serde(default)]
    pub action: RouteAction,
    /// A window of the route's own, moved by the policy's algorithm and signals. Absent: the route
    /// shares the policy's window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// Which requests a route means; all parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteMatch {
    /// By path. Absent: every path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// By method. Empty: every method.
    #[schemars(length(max = 9), extend("x-kubernetes-list-type" = "set"))]
    pub methods: Vec<HttpMethod>,
    /// By headers; all must match. Empty: whatever they say.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub headers: Vec<HeaderMatch>,
}

/// A header and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderMatch {
    /// The header's name, in any case.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"))]
    pub name: String,
    /// Exact: one of its values is value. RegularExpression: value matches one of its values, as a
    /// whole.
    #[serde(default, rename = "type")]
    pub type_: HeaderMatchType,
    /// What is looked for.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// How a header's value is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HeaderMatchType {
    /// To the letter.
    #[default]
    Exact,
    /// By a regular expression.
    RegularExpression,
}

/// A path, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathMatch {
    /// Exact: the path is value. Prefix: the path begins with value.
    #[serde(default, rename = "type")]
    pub type_: PathMatchType,
    /// A path that begins with a slash.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/[^?#]*$"))]
    pub value: String,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PathMatchType {
    /// The whole path.
    Exact,
    /// Its beginning.
    #[default]
    Prefix,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RouteAction {
    /// The window decides.
    #[default]
    Protect,
    /// Forwarded without asking the window.
    PassThrough,
    /// Refused.
    Deny,
}

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// CONNECT
    Connect,
    /// DELETE
    Delete,
    /// GET
    Get,
    /// HEAD
    Head,
    /// OPTIONS
    Options,
    /// PATCH
    Patch,
    /// POST
    Post,
    /// PUT
    Put,
    /// TRACE
    Trace,
}
