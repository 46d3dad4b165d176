//! The yardstick of `bench/run`: a tonic server whose GetRateLimits decodes the call with prost, decides
//! nothing, and answers with one item as long as a real reply.
//!
//! ```text
//! empty-tonic HOST:PORT ONE THOUSAND      framed reply sizes for a call of one item, and of more
//! ```

use std::error::Error;

use e2e::framing::PREFIX;
use prost::Message;
use proto::gubernator::v1_server::{V1, V1Server};
use proto::gubernator::{
    GetRateLimitsReq, GetRateLimitsResp, HealthCheckReq, HealthCheckResp, LiveCheckReq, LiveCheckResp,
    RateLimitResp,
};
use tonic::{Request, Response, Status};

#[derive(Debug)]
struct Empty {
    one: GetRateLimitsResp,
    thousand: GetRateLimitsResp,
}

#[tonic::async_trait]
impl V1 for Empty {
    async fn get_rate_limits(
        &self,
        request: Request<GetRateLimitsReq>,
    ) -> Result<Response<GetRateLimitsResp>, Status> {
        let reply = if request.get_ref().requests.len() == 1 { &self.one } else { &self.thousand };
        Ok(Response::new(reply.clone()))
    }

    async fn health_check(&self, _: Request<HealthCheckReq>) -> Result<Response<HealthCheckResp>, Status> {
        Ok(Response::new(HealthCheckResp::default()))
    }

    async fn live_check(&self, _: Request<LiveCheckReq>) -> Result<Response<LiveCheckResp>, Status> {
        Ok(Response::new(LiveCheckResp::default()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, one, thousand] = &words[..] else {
        return Err("empty-tonic HOST:PORT ONE THOUSAND (sizes of framed replies)".into());
    };
    let empty = Empty { one: reply_of(one.parse()?), thousand: reply_of(thousand.parse()?) };
    tonic::transport::Server::builder().add_service(V1Server::new(empty)).serve(address.parse()?).await?;
    Ok(())
}

/// A reply that has `framed` bytes with its prefix, or the few bytes more that an empty one has.
fn reply_of(framed: usize) -> GetRateLimitsResp {
    let with_text = |length: usize| GetRateLimitsResp {
        responses: vec![RateLimitResp { error: "x".repeat(length), ..RateLimitResp::default() }],
    };
    let mut length = framed;
    while length > 0 && with_text(length).encoded_len() + PREFIX > framed {
        length -= 1;
    }
    with_text(length)
}
