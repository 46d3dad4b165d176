//! One HTTP/1.1 connection.
//!
//! While a request waits for the head of its answer, the connection is driven by the request's own task:
//! no task is woken for it. An answer that has come whole with its head leaves the connection idle at
//! once. Any other gets the connection a task of its own, which it keeps.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use super::brief::{Brief, Patience};
use super::connect::Io;
use super::endpoints::Endpoint;
use super::{Outgoing, Place, UpstreamError, Was};

/// A connection, and the place that it takes.
pub(super) struct Connection<B: Outgoing> {
    sender: SendRequest<B>,
    driver: Driver,
    endpoint: Arc<Endpoint>,
    patience: Patience,
    _place: Place,
}

enum Driver {
    /// Whoever has the connection drives it.
    Own(Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>),
    /// A task does.
    Task { _task: Task },
    /// It has ended.
    Ended,
}

/// A task that ends with its connection.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<B: Outgoing> Connection<B> {
    /// Speaks HTTP/1.1 over `io`.
    pub(super) async fn new(io: Io, endpoint: &Arc<Endpoint>, place: Place) -> Result<Self, UpstreamError> {
        let patience = Patience::new();
        let io = TokioIo::new(Brief::new(io.into_inner(), patience.clone()));
        let (sender, driver) = http1::handshake(io)
            .await
            .map_err(|fault| UpstreamError::of(endpoint.address(), Was::Unsent, fault))?;
        let driver = Driver::Own(Box::pin(driver.with_upgrades()));
        Ok(Self { sender, driver, endpoint: Arc::clone(endpoint), patience, _place: place })
    }

    pub(super) const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Whether a request can be sent now. Looks whether the other side has closed it meanwhile, and
    /// lets go of the task that waited for it last, so that this one is not woken.
    pub(super) fn is_usable(&mut self) -> bool {
        if let Driver::Own(driver) = &mut self.driver
            && driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
        {
            self.driver = Driver::Ended;
        }
        !matches!(self.driver, Driver::Ended) && self.sender.is_ready()
    }

    /// Waits until a request can be sent; false where that will never be.
    pub(super) async fn becomes_usable(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        self.patience.begin();
        let answered = self.drive(request).await;
        // What was given up in between is closed.
        self.patience.end();
        answered
    }

    async fn drive(&mut self, request: Request<B>) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        // Its waker is never called, and it must not stop for the sake of other tasks: the driver does
        // both.
        let answer = tokio::task::unconstrained(self.sender.try_send_request(request));
        let Driver::Own(driver) = &mut self.driver else { return answer.await };
        let mut answer = pin!(answer);
        let mut driving = Some(driver.as_mut());
        let answered = std::future::poll_fn(|cx| {
            let ended = driving.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready());
            if ended {
                driving = None;
                return Poll::Ready(None);
            }
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(Some)
        })
        .await;
        match answered {
            Some(Ok(response)) => {
                if !self.sender.is_ready() {
                    self.hand_over();
                }
                Ok(response)
            }
            Some(Err(error)) => Err(error),
            // With the driver goes all that it still held, a request that was not sent too.
            None => {
                self.driver = Driver::Ended;
                answer.await
            }
        }
    }

    /// Gives the connection a task of its own.
    fn hand_over(&mut self) {
        match std::mem::replace(&mut self.driver, Driver::Ended) {
            Driver::Own(driver) => {
                let run = async move {
                    if let Err(error) = driver.await {
                        tracing::debug!(%error, "a connection to an upstream ended");
                    }
                };
                self.driver = Driver::Task { _task: Task(tokio::spawn(run)) };
            }
            other => self.driver = other,
        }
    }
}
