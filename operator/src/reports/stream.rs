//! One stream of reports: a request to a pod, and the lines that it answers.

use std::{net::SocketAddr, time::Duration};

use bytes::Buf as _;
use crds::report::{HEARTBEAT, PATH, PodReport};
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Body, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::lines::{LineTooLong, Lines};

/// How long a pod may take to accept a connection, and again to begin its answer.
const OPENING: Duration = Duration::from_secs(2);
/// How long a stream may be silent: two heartbeats, and what a busy machine is late by.
pub(super) const SILENCE: Duration = HEARTBEAT.saturating_mul(2).saturating_add(Duration::from_secs(2));

/// Why a stream is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error("no connection to {0}")]
    Connect(SocketAddr, #[source] std::io::Error),
    #[error("no answer from {0} within {OPENING:?}")]
    Opening(SocketAddr),
    #[error("the connection failed")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
    #[error("answered {0} instead of 200")]
    Status(StatusCode),
    #[error("a line is no report")]
    Line(#[from] serde_json::Error),
    #[error(transparent)]
    TooLong(#[from] LineTooLong),
    #[error("nothing was said for {SILENCE:?}")]
    Silence,
    #[error("the pod ended the stream")]
    End,
}

/// Asks the pod at `address` and calls `each` with every report, until something goes wrong.
pub(super) async fn follow(address: SocketAddr, each: impl FnMut(PodReport)) -> StreamError {
    match open(address).await {
        Ok((body, _connection)) => read(body, each).await,
        Err(error) => error,
    }
}

/// The body of the answer, and the task that moves its bytes.
async fn open(address: SocketAddr) -> Result<(hyper::body::Incoming, AbortOnDropHandle<()>), StreamError> {
    let late = |_| StreamError::Opening(address);
    let connected = tokio::time::timeout(OPENING, TcpStream::connect(address)).await.map_err(late)?;
    let stream = connected.map_err(|error| StreamError::Connect(address, error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        // Its end shows in the body.
        let _ = connection.await;
    }));
    let request = Request::get(format!("{PATH}?watch=true"))
        // An IPv6 address stands in brackets here.
        .header(HOST, address.to_string())
        .body(Empty::<bytes::Bytes>::new())?;
    let response = tokio::time::timeout(OPENING, sender.send_request(request)).await.map_err(late)??;
    match response.status() {
        StatusCode::OK => Ok((response.into_body(), connection)),
        status => Err(StreamError::Status(status)),
    }
}

/// Reads reports from `body` until it ends, falls silent or says what is no report.
async fn read<B>(mut body: B, mut each: impl FnMut(PodReport)) -> StreamError
where
    B: Body + Unpin,
    StreamError: From<B::Error>,
{
    let mut lines = Lines::default();
    loop {
        let Ok(frame) = tokio::time::timeout(SILENCE, body.frame()).await else {
            return StreamError::Silence;
        };
        let data = match frame {
            None => return StreamError::End,
            Some(Err(error)) => return error.into(),
            Some(Ok(frame)) => frame.into_data(),
        };
        // Trailers say nothing.
        let Ok(mut data) = data else { continue };
        let bytes = data.copy_to_bytes(data.remaining());
        let taken = lines.push(&bytes, |line| {
            each(serde_json::from_slice(line)?);
            Ok::<_, StreamError>(())
        });
        if let Err(error) = taken {
            return error;
        }
    }
}

#[cfg(test)]
mod tests;
