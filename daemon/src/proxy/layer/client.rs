//! Around a client: what is refused never leaves.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

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
use crate::proxy::refusal::{Fault, Refusal};

/// Puts a gate before a client.
#[derive(Clone, Debug)]
pub struct ClientLayer(Way);

/// A client behind a gate. Its error is [`Blocked`] or [`Malformed`] where the gate stopped the request,
/// to be told apart with `downcast_ref`, and else the client's own.
#[derive(Clone, Debug)]
pub struct ClientService<S> {
    way: Way,
    inner: S,
}

/// The gate refused a request, and nothing of it was sent.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .refusal.text())]
pub struct Blocked {
    /// Why.
    pub refusal: Refusal,
}

impl Blocked {
    /// How long to wait before the next attempt; none where coming again would not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal.come_back_millis().map(Duration::from_millis)
    }
}

/// A request that the gate cannot read, and nothing of it was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl ClientLayer {
    /// With a gate of one's own; [`Chain::client_layer`] has its signals asked, too.
    #[must_use]
    pub const fn new(gate: Arc<Gate>) -> Self {
        Self(Way { gate, _chain: None })
    }

    pub(super) const fn of(gate: Arc<Gate>, chain: Chain) -> Self {
        Self(Way { gate, _chain: Some(chain) })
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = ClientService<S>;

    fn layer(&self, inner: S) -> ClientService<S> {
        ClientService { way: self.0.clone(), inner }
    }
}

impl<S, B, R> Service<Request<B>> for ClientService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError> + Send,
    B: Send + 'static,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Whether the client is ready is asked for each request that was let in.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (way, inner) = (self.way.clone(), self.inner.clone());
        Box::pin(async move {
            // How long it may take is the caller's affair, as in throttle-proxy.
            match way.carry(inner, request, None).await {
                Ok(landed) => Ok(landed.answer()),
                Err(Ended::Stopped(stop, _)) => Err(stopped(stop)),
                Err(Ended::Failed(error)) => Err(error.into()),
            }
        })
    }
}

fn stopped(stop: Stop) -> BoxError {
    match stop {
        Stop::Refused(refusal) => Box::new(Blocked { refusal }),
        Stop::Fault(Fault::BadRequest(why)) => Box::new(Malformed(why)),
        // A gate makes no other.
        Stop::Fault(fault) => Box::new(Malformed(format!("{fault:?}"))),
    }
}
