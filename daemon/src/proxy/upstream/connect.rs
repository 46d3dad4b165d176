//! Opening connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::endpoints::Endpoint;
use super::{Backend, UpstreamError};

/// What bytes go over.
pub(super) type Io = TokioIo<TcpStream>;

/// Connects to `endpoint` in the time there is for that.
pub(super) async fn connect(backend: &Backend, endpoint: &Arc<Endpoint>) -> Result<Io, UpstreamError> {
    let address = endpoint.address();
    let stream = async {
        let stream = TcpStream::connect(address).await?;
        tune(&stream)?;
        Ok(stream)
    };
    let connected = match backend.connect_timeout {
        Some(after) => match tokio::time::timeout(after, stream).await {
            Ok(connected) => connected,
            Err(_) => return Err(UpstreamError::ConnectTimeout { endpoint: address, after }),
        },
        None => stream.await,
    };
    connected.map(TokioIo::new).map_err(|fault| UpstreamError::Connect { endpoint: address, fault })
}

/// Small requests leave at once, and an endpoint that has vanished without a word is noticed.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
