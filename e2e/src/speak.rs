//! HTTP clients of one connection each, with streaming bodies.

use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::bodies::Body;

/// One connection, closed when this is dropped.
#[derive(Debug)]
pub struct Speaker {
    sender: Sender,
    at: SocketAddr,
    driver: JoinHandle<()>,
}

#[derive(Debug)]
enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

impl Speaker {
    /// Speaks HTTP/1.1.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn one(at: SocketAddr) -> Self {
        Self::one_over(stream(at).await, at).await
    }

    /// Speaks HTTP/1.1 over `stream`, with whoever is known as `at`.
    ///
    /// # Panics
    /// When the connection is not open.
    pub async fn one_over(stream: impl Stream, at: SocketAddr) -> Self {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        let driver = tokio::spawn(async move {
            let _broken_off = driver.with_upgrades().await;
        });
        Self { sender: Sender::One(sender), at, driver }
    }

    /// Speaks HTTP/2 by prior knowledge.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn two(at: SocketAddr) -> Self {
        Self::two_over(stream(at).await, at).await
    }

    /// Speaks HTTP/2 over `stream`, with whoever is known as `at`.
    ///
    /// # Panics
    /// When the connection is not open.
    pub async fn two_over(stream: impl Stream, at: SocketAddr) -> Self {
        let (sender, driver) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let driver = tokio::spawn(async move {
            let _broken_off = driver.await;
        });
        Self { sender: Sender::Two(sender), at, driver }
    }

    /// Sends a request and waits for the head of its answer. A path is made a whole address for HTTP/2, and
    /// a Host header is put in for HTTP/1.1 where there is none.
    ///
    /// # Errors
    /// Where no answer comes.
    pub async fn send(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                if !request.headers().contains_key("host") {
                    let host = self.at.to_string().try_into().expect("an address is a header's value");
                    request.headers_mut().insert("host", host);
                }
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                if request.uri().authority().is_none() {
                    let whole = format!("http://{}{}", self.at, request.uri());
                    *request.uri_mut() = whole.parse().expect("an address makes a URI");
                }
                let mut sender = sender.clone();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Another handle of an HTTP/2 connection, for another request at the same time.
    ///
    /// # Panics
    /// When it speaks HTTP/1.1.
    pub fn beside(&self) -> Self {
        let Sender::Two(sender) = &self.sender else { panic!("HTTP/1.1 has one request at a time") };
        let driver = tokio::spawn(std::future::ready(()));
        Self { sender: Sender::Two(sender.clone()), at: self.at, driver }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn stream(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).await.unwrap_or_else(|error| panic!("connecting to {at}: {error}"));
    stream.set_nodelay(true).expect("a socket's option");
    stream
}

/// What bytes go over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}
