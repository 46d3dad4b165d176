//! gRPC clients: one that speaks V1, and one that sends whatever bytes it is given.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes};
use proto::gubernator::v1_client::V1Client;
use proto::gubernator::{
    GetRateLimitsReq, HealthCheckReq, HealthCheckResp, LiveCheckReq, RateLimitReq, RateLimitResp,
};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The largest reply that a client takes: 1,000 items with long metadata stay far below it.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// A client of V1 on one connection.
#[derive(Clone, Debug)]
pub struct Client {
    v1: V1Client<Channel>,
    channel: Channel,
}

impl Client {
    /// Connects to `address`.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> Self {
        let channel = channel(address).await;
        let v1 = V1Client::new(channel.clone()).max_decoding_message_size(MAX_REPLY_BYTES);
        Self { v1, channel }
    }

    /// One GetRateLimits call.
    ///
    /// # Errors
    /// The status, where it is not OK.
    pub async fn try_hit(&self, requests: Vec<RateLimitReq>) -> Result<Vec<RateLimitResp>, Status> {
        let reply = self.v1.clone().get_rate_limits(GetRateLimitsReq { requests }).await?;
        Ok(reply.into_inner().responses)
    }

    /// One GetRateLimits call, whose status must be OK and which must have a reply to each request.
    ///
    /// # Panics
    /// When it has not.
    pub async fn hit(&self, requests: Vec<RateLimitReq>) -> Vec<RateLimitResp> {
        let asked = requests.len();
        let replies = self.try_hit(requests).await.unwrap_or_else(|status| panic!("GetRateLimits: {status}"));
        assert_eq!(replies.len(), asked, "one reply to each request");
        replies
    }

    /// The reply to one request.
    ///
    /// # Panics
    /// As [`Self::hit`].
    pub async fn hit_one(&self, request: RateLimitReq) -> RateLimitResp {
        self.hit(vec![request]).await.remove(0)
    }

    /// HealthCheck.
    ///
    /// # Errors
    /// The status, where it is not OK.
    pub async fn health(&self) -> Result<HealthCheckResp, Status> {
        Ok(self.v1.clone().health_check(HealthCheckReq {}).await?.into_inner())
    }

    /// LiveCheck.
    ///
    /// # Errors
    /// The status, where it is not OK.
    pub async fn live(&self) -> Result<(), Status> {
        self.v1.clone().live_check(LiveCheckReq {}).await.map(|_| ())
    }

    /// Sends `message` as it is to `path` and gives back the reply's bytes.
    ///
    /// # Errors
    /// The status, where it is not OK.
    pub async fn raw(&self, path: &'static str, message: Bytes) -> Result<Bytes, Status> {
        let mut grpc =
            tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_REPLY_BYTES);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = http::uri::PathAndQuery::from_static(path);
        Ok(grpc.unary(Request::new(message), path, AsIs).await?.into_inner())
    }
}

/// A connection to `address`.
///
/// # Panics
/// When nobody listens there.
pub async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address makes a URI");
    endpoint.connect().await.unwrap_or_else(|error| panic!("no gRPC at {address}: {error:?}"))
}

/// A codec that leaves messages as they are.
#[derive(Clone, Copy, Debug, Default)]
struct AsIs;

impl Codec for AsIs {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsIs {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for AsIs {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
