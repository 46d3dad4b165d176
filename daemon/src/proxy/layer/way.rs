//! What servers and clients have in common: through the gate, to the inner service, and back.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body as HttpBody;
use tokio::time::Sleep;
use tower_service::Service;

use super::chain::Chain;
use super::{Answer, BoxError, ClientAddress};
use crate::proxy::body::Guarded;
use crate::proxy::bypass;
use crate::proxy::flight::Flight;
use crate::proxy::gate::{Gate, Stop};
use crate::proxy::limits::LimitReply;
use crate::proxy::policy::Timeouts;
use crate::proxy::refusal::Fault;
use crate::proxy::route::Action;

/// A gate, and what keeps its signals being asked.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) gate: Arc<Gate>,
    pub(super) _chain: Option<Chain>,
}

/// Why there is no answer of the inner service's.
pub(super) enum Ended<E> {
    /// The request was stopped, or took too long. It is counted already; the flight is told of the reply.
    Stopped(Stop, Flight),
    /// The inner service failed.
    Failed(E),
}

/// An answer of the inner service's, and what it must take along.
pub(super) struct Landed<R> {
    pub(super) response: Response<R>,
    pub(super) limit: Option<Box<LimitReply>>,
    flight: Flight,
    deadline: Option<Pin<Box<Sleep>>>,
}

enum Failed<E> {
    Stopped(Stop),
    Inner(E),
}

impl Way {
    /// Carries one request; `bounds` are how long it may take, to the last byte of its answer.
    ///
    /// The inner service is asked whether it is ready after the window, not before: a request that would
    /// be refused does not wait, and one that waits holds its place.
    pub(super) async fn carry<S, B, R>(
        self,
        mut inner: S,
        request: Request<B>,
        bounds: Option<Timeouts>,
    ) -> Result<Landed<R>, Ended<S::Error>>
    where
        S: Service<Request<B>, Response = Response<R>>,
    {
        let gate = &self.gate;
        let (parts, body) = request.into_parts();
        let (route, action) = gate.policy.routes.find(&parts);
        let mut flight = Flight::new(Arc::clone(gate), route, true, None);
        let bound = bounds.and_then(|bounds| match action {
            Action::PassThrough => bounds.pass_through,
            _ => bounds.request,
        });
        let mut deadline = bound.map(|bound| Box::pin(tokio::time::sleep(bound)));
        let going = async {
            let bypasses = bypass::is_cheap_unread(&gate.policy, &parts);
            let admitted = gate.admit(&action, &parts.headers, client(&parts.extensions), bypasses).await;
            let admitted = admitted.map_err(Failed::Stopped)?;
            flight.admitted(admitted.permit);
            poll_fn(|cx| inner.poll_ready(cx)).await.map_err(Failed::Inner)?;
            let response = inner.call(Request::from_parts(parts, body)).await.map_err(Failed::Inner)?;
            Ok((response, admitted.limit))
        };
        let went = match &mut deadline {
            None => going.await,
            Some(deadline) => tokio::select! {
                biased;
                went = going => went,
                () = deadline.as_mut() => Err(Failed::Stopped(Stop::Fault(Fault::Deadline))),
            },
        };
        match went {
            Ok((response, limit)) => {
                flight.answered(response.status(), response.headers());
                Ok(Landed { response, limit, flight, deadline })
            }
            Err(failed) => Err(self.ended(failed, route, flight)),
        }
    }

    fn ended<E>(&self, failed: Failed<E>, route: usize, mut flight: Flight) -> Ended<E> {
        match failed {
            Failed::Stopped(stop) => {
                self.gate.count(route, &stop);
                if matches!(stop, Stop::Fault(Fault::Deadline)) {
                    flight.failed();
                }
                Ended::Stopped(stop, flight)
            }
            Failed::Inner(error) => {
                self.gate.count(route, &Stop::Fault(Fault::Upstream("")));
                flight.fail();
                Ended::Failed(error)
            }
        }
    }
}

impl<R> Landed<R>
where
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    /// The answer, whose body gives the place back when it is over.
    pub(super) fn answer(self) -> Response<Answer> {
        let Self { response, flight, deadline, .. } = self;
        response.map(|body| {
            Answer::guarded(body, |body| Guarded::new(Arc::default(), body, flight, deadline, || ()))
        })
    }
}

/// Who asks, where that was told; all of whom it was not told share an address.
pub(super) fn client(extensions: &Extensions) -> IpAddr {
    if let Some(ClientAddress(address)) = extensions.get() {
        return *address;
    }
    let connected = extensions.get::<ConnectInfo<SocketAddr>>();
    connected.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}
