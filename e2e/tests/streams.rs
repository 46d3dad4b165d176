//! gRPC calls frame by frame, for what a client's library would not send.

use std::net::SocketAddr;

use bytes::Bytes;
use e2e::framing::{PREFIX, frame};
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request, StatusCode};
use prost::Message;
use proto::gubernator::{GetRateLimitsReq, GetRateLimitsResp, RateLimitReq, RateLimitResp};
use tokio::net::TcpStream;
use tonic::Code;

/// What came back of one stream.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    /// Head and trailers together, for a refusal comes in either.
    pub(crate) fields: HeaderMap,
}

impl Answer {
    pub(crate) fn code(&self) -> Option<Code> {
        Some(Code::from_bytes(self.fields.get("grpc-status")?.as_bytes()))
    }

    pub(crate) fn replies(&self) -> Vec<RateLimitResp> {
        GetRateLimitsResp::decode(&self.body[PREFIX..]).unwrap().responses
    }
}

pub(crate) async fn connect(address: SocketAddr, builder: &Builder) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (send, connection) = builder.handshake(stream).await.unwrap();
    // It ends when the test drops its last handle.
    tokio::spawn(async move { connection.await.is_ok() });
    send
}

/// The head of a GetRateLimits call, with these fields beside or in place of the usual.
pub(crate) fn head(fields: &[(&str, &str)]) -> Request<()> {
    let mut request =
        Request::post("http://wicketgate/pb.gubernator.V1/GetRateLimits").header("te", "trailers");
    if !fields.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// A call's body.
pub(crate) fn body(requests: Vec<RateLimitReq>) -> Bytes {
    frame(&GetRateLimitsReq { requests }).into()
}

/// Sends a head and pieces of a body on a stream of its own, and reads all that comes back.
pub(crate) async fn exchange(
    send: &SendRequest<Bytes>,
    head: Request<()>,
    pieces: &[Bytes],
) -> Result<Answer, h2::Error> {
    let mut send = send.clone().ready().await?;
    let (response, mut stream) = send.send_request(head, pieces.is_empty())?;
    for (index, piece) in pieces.iter().enumerate() {
        // A server that has answered already may refuse the rest.
        if stream.send_data(piece.clone(), index + 1 == pieces.len()).is_err() {
            break;
        }
    }
    read(response).await
}

/// Reads all that comes back of one stream.
pub(crate) async fn read(response: h2::client::ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut incoming) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = incoming.data().await {
        let piece = piece?;
        incoming.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    let mut fields = head.headers;
    fields.extend(incoming.trailers().await?.unwrap_or_default());
    Ok(Answer { status: head.status, body, fields })
}
