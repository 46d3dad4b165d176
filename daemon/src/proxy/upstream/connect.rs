//! Opening connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::endpoints::Endpoint;
use super::{Backend, UpstreamError};
use crate::proxy::tls::Alpn;

/// What bytes go over.
pub(super) type Io = TokioIo<Stream>;

/// A connection, in plain text or not.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to `endpoint` in the time there is for that; whether HTTP/2 is to be spoken.
pub(super) async fn connect(
    backend: &Backend,
    endpoint: &Arc<Endpoint>,
    alpn: Alpn,
) -> Result<(Io, bool), UpstreamError> {
    let Some(after) = backend.connect_timeout else { return open(backend, endpoint, alpn).await };
    tokio::time::timeout(after, open(backend, endpoint, alpn))
        .await
        .unwrap_or(Err(UpstreamError::ConnectTimeout { endpoint: endpoint.address(), after }))
}

async fn open(backend: &Backend, endpoint: &Arc<Endpoint>, alpn: Alpn) -> Result<(Io, bool), UpstreamError> {
    let address = endpoint.address();
    let connected = async {
        let stream = TcpStream::connect(address).await?;
        // Small requests leave at once, and an endpoint that has vanished without a word is noticed.
        crate::server::tune(&stream)?;
        Ok(stream)
    };
    let stream = connected.await.map_err(|fault| UpstreamError::Connect { endpoint: address, fault })?;
    let Some(tls) = &backend.tls else {
        return Ok((TokioIo::new(Stream::Plain(stream)), alpn == Alpn::Http2));
    };
    let failed = |fault: String| UpstreamError::Tls { endpoint: address, fault };
    let (name, config) = tls.config(alpn).map_err(|error| failed(error.to_string()))?;
    let stream =
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| failed(error.to_string()))?;
    let many = match stream.get_ref().1.alpn_protocol() {
        Some(chosen) => chosen == b"h2",
        // One that does not choose speaks what it is said to speak.
        None => alpn == Alpn::Http2,
    };
    Ok((TokioIo::new(Stream::Tls(Box::new(stream))), many))
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
