//! What the tests of both sides share: a request through a layer on either, and what came of it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use crds::fold::{NamespaceLabels, fold};
use crds::manifest::{self, Manifest};
use engine::RingHash;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use prometheus::Registry;
use tower::{Layer as _, Service, ServiceExt as _};

use super::super::*;
use crate::limits::Limits;
use crate::node::{Node, NodeSettings};
use crate::peers::PeerSet;
use crate::proxy::secrets::Secrets;

/// On which side of the wire a layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

pub(super) const SIDES: [Side; 2] = [Side::Server, Side::Client];

/// What came of a request.
#[derive(Debug)]
pub(super) enum End {
    Answered(Box<Response<Answer>>),
    /// With the reason, and the seconds after which to come again.
    Refused(&'static str, Option<u64>),
    Malformed(String),
    Failed(String),
}

impl End {
    pub(super) fn answer(self) -> Response<Answer> {
        match self {
            Self::Answered(answer) => *answer,
            other => panic!("{other:?} is no answer"),
        }
    }

    pub(super) fn refusal(self) -> (&'static str, Option<u64>) {
        match self {
            Self::Refused(reason, after) => (reason, after),
            other => panic!("{other:?} is no refusal"),
        }
    }
}

pub(super) async fn send<S, B>(side: Side, chain: &Chain, inner: S, request: Request<B>) -> End
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S: Service<Request<B>, Response = Response<Full<Bytes>>, Error = io::Error>,
    S::Future: Send,
    B: Send + 'static,
{
    match side {
        Side::Server => match chain.server_layer().layer(inner).oneshot(request).await {
            Err(error) => End::Failed(error.to_string()),
            Ok(answer) => from_wire(answer).await,
        },
        Side::Client => match chain.client_layer().layer(inner).oneshot(request).await {
            Ok(answer) => End::Answered(answer.into()),
            Err(error) => from_error(&error),
        },
    }
}

/// What a server's answer says.
async fn from_wire(answer: Response<Answer>) -> End {
    let Some(reason) = answer.headers().get("x-wicketgate-reason") else {
        return match answer.status() {
            StatusCode::BAD_REQUEST => {
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                End::Malformed(String::from_utf8(body.to_vec()).unwrap())
            }
            StatusCode::GATEWAY_TIMEOUT => End::Failed("late".to_owned()),
            _ => End::Answered(answer.into()),
        };
    };
    let known = ["WindowClosed", "Blocked", "RateLimited", "Denied"];
    let reason = known.into_iter().find(|known| reason == known).unwrap();
    let status = if reason == "Denied" { 403 } else { 429 };
    assert_eq!(answer.status(), status);
    let after = answer.headers().get("retry-after").map(|after| after.to_str().unwrap().parse().unwrap());
    End::Refused(reason, after)
}

fn from_error(error: &BoxError) -> End {
    if let Some(blocked) = error.downcast_ref::<Blocked>() {
        let seconds = blocked.retry_after().map(|after| after.as_millis().div_ceil(1_000) as u64);
        return End::Refused(blocked.refusal.reason(), seconds);
    }
    match error.downcast_ref::<Malformed>() {
        Some(malformed) => End::Malformed(malformed.to_string()),
        None => End::Failed(error.to_string()),
    }
}

/// A policy with these lines of its spec, running by itself.
pub(super) fn chain(spec: &str) -> Chain {
    let chains = Chains::new(&Registry::new(), Secrets::default()).unwrap();
    chains.start(policy(&manifest(spec)).unwrap()).unwrap()
}

/// The same with a node that declares the limit `once`: one hit a minute.
pub(super) fn chain_with_limit(spec: &str) -> Chain {
    let node = Arc::new(Node::new(NodeSettings::for_test("10.0.0.1:1")).unwrap());
    node.set_ring(PeerSet::new(RingHash::Xxh3, Arc::clone(node.advertise()), true, Vec::new()));
    let text = "{apiVersion: wicketgate.dev/v1alpha1, kind: RateLimitCluster, metadata: {name: main}, spec: {}}\n---\n\
        {apiVersion: wicketgate.dev/v1alpha1, kind: RateLimit, metadata: {name: once}, \
        spec: {clusterRef: {name: main}, limit: 1, duration: 1m}}";
    let objects = manifest::read([("limits", text)]).objects;
    let [Manifest::RateLimitCluster(cluster), Manifest::RateLimit(limit)] =
        [&objects[0].manifest, &objects[1].manifest]
    else {
        panic!("{objects:?}")
    };
    let folded = fold(cluster, [&**limit], [], &NamespaceLabels::new()).unwrap();
    node.set_limits(Limits::new(&folded.document, node.metrics()));
    let chains = Chains::with_node(&Registry::new(), Secrets::default(), node).unwrap();
    let limited = format!("{spec}\n  rateLimits: [{{name: once, key: [{{header: X-Account}}]}}]");
    chains.start(policy(&manifest(&limited)).unwrap()).unwrap()
}

pub(in crate::proxy::layer) fn manifest(spec: &str) -> String {
    format!(
        "apiVersion: wicketgate.dev/v1alpha1\nkind: BackpressurePolicy\nmetadata: {{name: search, namespace: shop}}\n\
         spec:\n  clusterRef: {{name: main}}\n  listener: {{port: 8080}}\n  upstream: {{url: 'http://localhost:3000'}}\n  {spec}\n"
    )
}
