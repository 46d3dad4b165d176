//! A layer round the client that counts requests and bounds the wait for an answer's beginning.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tower::{BoxError, Layer, Service};

use crate::metrics::{Code, Metrics, RequestKind};

/// How long the API server may take to begin an answer. It gives up most requests itself after a
/// minute. A watch begins at once and may then be silent, which its reader looks after.
const ANSWER: Duration = Duration::from_secs(30);

/// Puts [`Observe`] round a client.
#[derive(Clone, Debug)]
pub struct ObserveLayer {
    metrics: Arc<Metrics>,
}

impl ObserveLayer {
    /// Counts into `metrics`.
    #[must_use]
    pub const fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, metrics: Arc::clone(&self.metrics) }
    }
}

/// Counts each request once, when its answer begins or it is clear that none will come.
#[derive(Clone, Debug)]
pub struct Observe<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

/// The API server took too long.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the API server did not answer within {ANSWER:?}")]
struct Late;

impl<S, A, B> Service<Request<A>> for Observe<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let kind = RequestKind::of(request.method(), request.uri(), request.headers());
        let counted = Counted { metrics: Arc::clone(&self.metrics), kind, code: Code::Dropped };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let outcome = match tokio::time::timeout(ANSWER, answer).await {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(_) => Err(Late.into()),
            };
            counted.end(outcome.as_ref().map_or(Code::Error, |response| Code::Status(response.status())));
            outcome
        })
    }
}

/// A request, counted when it is dropped.
struct Counted {
    metrics: Arc<Metrics>,
    kind: RequestKind,
    code: Code,
}

impl Counted {
    fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.api_request(&self.kind, self.code);
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use k8s_openapi::api::core::v1::Pod;
    use kube::{
        Api, Client,
        api::{ListParams, Patch, PatchParams},
        client::{Body, ClientBuilder},
    };

    use super::*;

    type Server = tower_test::mock::Handle<Request<Body>, Response<Body>>;

    fn client() -> (Client, Server, Arc<Metrics>) {
        let (service, server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let metrics = Arc::new(Metrics::new().unwrap());
        let layer = ObserveLayer::new(Arc::clone(&metrics));
        (ClientBuilder::new(service, "default").with_layer(&layer).build(), server, metrics)
    }

    fn count(metrics: &Metrics, verb: &str, code: &str) -> Option<String> {
        let line = format!(
            r#"wicketgate_operator_api_requests_total{{code="{code}",resource="pods",verb="{verb}"}} "#
        );
        metrics.render().unwrap().lines().find_map(|shown| shown.strip_prefix(&line).map(str::to_owned))
    }

    #[tokio::test]
    async fn an_answer_is_counted_by_its_status() {
        let (client, mut server, metrics) = client();
        let answer = async {
            let (_, reply) = server.next_request().await.unwrap();
            let refusal = Response::builder().status(StatusCode::NOT_FOUND);
            reply.send_response(refusal.body(Body::from(b"{}".to_vec())).unwrap());
        };
        let pods: Api<Pod> = Api::namespaced(client, "edge");
        let (found, ()) = tokio::join!(pods.get("main-0"), answer);
        assert!(found.is_err());
        assert_eq!(count(&metrics, "get", "404").as_deref(), Some("1"));
    }

    #[tokio::test]
    async fn a_server_side_apply_and_a_failure_are_told_apart() {
        let (client, mut server, metrics) = client();
        let fail = async {
            let (_, reply) = server.next_request().await.unwrap();
            reply.send_error("connection refused");
        };
        let pods: Api<Pod> = Api::namespaced(client, "edge");
        let (pod, parameters) = (Pod::default(), PatchParams::apply("us"));
        let patch = Patch::Apply(&pod);
        let (applied, ()) = tokio::join!(pods.patch("main-0", &parameters, &patch), fail);
        assert!(applied.is_err());
        assert_eq!(count(&metrics, "apply", "error").as_deref(), Some("1"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_not_waited_for_without_end() {
        let (client, mut server, metrics) = client();
        let pods: Api<Pod> = Api::namespaced(client, "edge");
        let parameters = ListParams::default();
        let (listed, _unanswered) = tokio::join!(pods.list(&parameters), server.next_request());
        assert!(listed.unwrap_err().to_string().contains("did not answer within 30s"));
        assert_eq!(count(&metrics, "list", "error").as_deref(), Some("1"));
    }

    #[tokio::test]
    async fn a_request_that_nobody_waits_for_is_counted_too() {
        let (client, mut server, metrics) = client();
        let pods: Api<Pod> = Api::namespaced(client, "edge");
        let waiting = tokio::spawn(async move { pods.get("main-0").await });
        let _unanswered = server.next_request().await.unwrap();
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(count(&metrics, "get", "dropped").as_deref(), Some("1"));
    }
}
