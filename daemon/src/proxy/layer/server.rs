//! Around a service that answers.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use super::chain::Chain;
use super::way::{Ended, Way};
use super::{Answer, BoxError};
use crate::proxy::gate::{Gate, Stop};
use crate::proxy::refusal::is_grpc;

/// Puts a gate before a service. What the gate refuses is answered as the proxy answers it; the service
/// does not hear of it.
#[derive(Clone, Debug)]
pub struct ServerLayer(Way);

/// A service behind a gate.
#[derive(Clone, Debug)]
pub struct ServerService<S> {
    way: Way,
    inner: S,
}

impl ServerLayer {
    /// With a gate of one's own; [`Chain::server_layer`] has its signals asked, too.
    #[must_use]
    pub const fn new(gate: Arc<Gate>) -> Self {
        Self(Way { gate, _chain: None })
    }

    pub(super) const fn of(gate: Arc<Gate>, chain: Chain) -> Self {
        Self(Way { gate, _chain: Some(chain) })
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerService<S>;

    fn layer(&self, inner: S) -> ServerService<S> {
        ServerService { way: self.0.clone(), inner }
    }
}

impl<S, B, R> Service<Request<B>> for ServerService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Answer>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Whether the inner service is ready is asked for each request that was let in.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (way, inner) = (self.way.clone(), self.inner.clone());
        Box::pin(async move {
            let (grpc, policy) = (is_grpc(request.headers()), Arc::clone(&way.gate.policy));
            match way.carry(inner, request, Some(policy.timeouts)).await {
                Ok(mut landed) => {
                    if let Some(limit) = &landed.limit {
                        limit.write(landed.response.headers_mut());
                    }
                    Ok(landed.answer())
                }
                Err(Ended::Stopped(stop, mut flight)) => {
                    let reply = match stop {
                        Stop::Refused(refusal) => refusal.reply(grpc),
                        Stop::Fault(fault) => fault.reply(grpc, policy.voice),
                    };
                    flight.replied(reply.status());
                    Ok(reply.map(Answer::ready))
                }
                Err(Ended::Failed(error)) => Err(error),
            }
        })
    }
}
