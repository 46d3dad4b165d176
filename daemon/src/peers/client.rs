//! One call to another node, and what its failure means.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::wire::MAX_MESSAGE_BYTES;

/// Answers are larger than requests where many items are refused in long words.
const MAX_ANSWER_BYTES: usize = 4 * MAX_MESSAGE_BYTES;
/// One batch must fit into one window.
const WINDOW: u32 = 4 << 20;
/// A connection that says nothing for so long is asked whether it is alive.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Why another node gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AskError {
    /// It certainly did not process the call: it may be asked again, or another may.
    #[error("{0}")]
    NotSent(Status),
    /// It may have: asking again could count twice.
    #[error("{0}")]
    Unknown(Status),
    /// It did, and answered with another number of items: whose answer is whose, nobody knows.
    #[error("{0}")]
    Mismatch(Status),
}

impl AskError {
    pub(crate) const fn status(&self) -> &Status {
        match self {
            Self::NotSent(status) | Self::Unknown(status) | Self::Mismatch(status) => status,
        }
    }
}

/// The longest that connecting may take. Well below what a call may: who does not answer a SYN at
/// once is away, and then there must be time left to ask another.
const CONNECT: Duration = Duration::from_millis(250);

/// A connection to another node, made when first used and again when lost.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    channel: Channel,
}

impl Client {
    /// # Errors
    /// Where `address` is no `host:port`.
    pub(crate) fn new(address: &str, timeout: Duration) -> Result<Self, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(CONNECT.min(timeout / 2))
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE);
        Ok(Self { channel: endpoint.connect_lazy() })
    }

    /// Sends an encoded GetPeerRateLimitsReq; the answer is an encoded GetPeerRateLimitsResp.
    pub(crate) async fn get_peer_rate_limits(
        &self,
        request: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, AskError> {
        let codec = Verbatim::default();
        let claim = Arc::clone(&codec.claim);
        // A call that never got as far as being written has not reached anybody, and now never will.
        let late = || {
            let status = Status::deadline_exceeded("context deadline exceeded");
            if take(&claim, GIVEN_UP) { AskError::NotSent(status) } else { AskError::Unknown(status) }
        };
        let call = async {
            let mut grpc =
                tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
            grpc.ready().await.map_err(|error| AskError::NotSent(Status::from_error(Box::new(error))))?;
            let mut request = tonic::Request::new(request);
            request.set_timeout(timeout);
            let path = PathAndQuery::from_static("/pb.gubernator.PeersV1/GetPeerRateLimits");
            let answer = grpc.unary(request, path, codec).await;
            answer.map(tonic::Response::into_inner).map_err(|status| {
                // The connection watches the deadline too, and says so in its own words.
                if is_late(&status) {
                    late()
                } else if certainly_not_processed(&status) {
                    AskError::NotSent(status)
                } else {
                    AskError::Unknown(status)
                }
            })
        };
        tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| Err(late()))
    }
}

/// Whether a failure is our own deadline.
fn is_late(status: &Status) -> bool {
    causes(status).any(|cause| cause.is::<tonic::TimeoutExpired>())
}

/// What a failure comes from, the nearest cause first.
fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = status.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// Whether a failure shows that the call never reached the other node's service.
fn certainly_not_processed(status: &Status) -> bool {
    // A node that does not serve PeersV1 at that address has decided nothing.
    causes(status).any(|cause| cause.is::<tonic::ConnectError>())
        || turned_away(status)
        || status.code() == Code::Unimplemented
}

/// Whether the connection ended, or was asked to end, before it took the call.
pub(crate) fn turned_away(status: &Status) -> bool {
    for error in causes(status) {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && error.is_canceled()
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason();
            return reason == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away() && error.is_remote() && reason == Some(h2::Reason::NO_ERROR));
        }
    }
    false
}

/// Messages as they are: they were encoded for the other node already.
#[derive(Clone, Debug, Default)]
struct Verbatim {
    claim: Arc<AtomicU8>,
}

/// Whether a call may still go either way, or was handed to its connection, or its caller waits no
/// longer: the connection may ask for the message after that, and must not get it then, since it is
/// decided elsewhere.
const OPEN: u8 = 0;
const WRITTEN: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Moves an open claim to `end`; whether it is there now.
fn take(claim: &AtomicU8, end: u8) -> bool {
    let taken = claim.compare_exchange(OPEN, end, Ordering::AcqRel, Ordering::Acquire);
    taken.is_ok() || taken == Err(end)
}

impl Codec for Verbatim {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // Only a connection that takes the call asks for its body.
        if !take(&self.claim, WRITTEN) {
            return Err(Status::cancelled("the caller waits no longer"));
        }
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
