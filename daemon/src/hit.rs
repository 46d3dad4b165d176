//! `wicketgated hit`: one hit by hand, and its answer in words.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use proto::gubernator::v1_client::V1Client;
use proto::gubernator::{GetRateLimitsReq, RateLimitReq, RateLimitResp, Status};
use tonic::transport::Endpoint;

use crate::args::{Exit, Hit};
use crate::clock;
use crate::settings::render_duration;

/// How long one hit may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Takes the hit and prints the answer.
pub async fn run(arguments: &Hit) -> Exit {
    let answer = match ask(arguments).await {
        Ok(answer) => answer,
        Err(status) => {
            writeln!(io::stderr().lock(), "error: {}: {}", arguments.address, status.message()).ok();
            return Exit::Unavailable;
        }
    };
    if !answer.error.is_empty() {
        writeln!(io::stderr().lock(), "error: {}", answer.error).ok();
        return Exit::Usage;
    }
    let text = in_words(&answer, clock::now().get());
    writeln!(io::stdout().lock(), "{text}").ok();
    if answer.status == i32::from(Status::OverLimit) { Exit::Refused } else { Exit::Ok }
}

async fn ask(arguments: &Hit) -> Result<RateLimitResp, tonic::Status> {
    let unavailable = |error: tonic::transport::Error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        tonic::Status::unavailable(cause)
    };
    let channel = Endpoint::from_shared(format!("http://{}", arguments.address))
        .map_err(unavailable)?
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT)
        .connect()
        .await
        .map_err(unavailable)?;
    let request = RateLimitReq {
        name: arguments.name.clone(),
        unique_key: arguments.unique_key.clone(),
        hits: arguments.hits,
        limit: arguments.limit,
        duration: i64::try_from(arguments.duration.as_millis()).unwrap_or(i64::MAX),
        ..RateLimitReq::default()
    };
    let answer = V1Client::new(channel).get_rate_limits(GetRateLimitsReq { requests: vec![request] }).await?;
    let nothing = || tonic::Status::internal("the answer holds no item");
    answer.into_inner().responses.into_iter().next().ok_or_else(nothing)
}

/// `UNDER_LIMIT  4 of 5 left, full again in 59s`, and what the metadata says.
fn in_words(answer: &RateLimitResp, now: i64) -> String {
    let status = Status::try_from(answer.status).unwrap_or_default().as_str_name();
    let mut text = format!("{status}  {} of {} left", answer.remaining, answer.limit);
    if answer.reset_time > 0 {
        let wait = u64::try_from(answer.reset_time.saturating_sub(now)).unwrap_or(0);
        // Writing to a String cannot fail.
        write!(text, ", resets in {}", render_duration(Duration::from_millis(wait))).ok();
    }
    for (key, value) in &answer.metadata {
        write!(text, ", {key}={value}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_words() {
        let mut answer =
            RateLimitResp { limit: 5, remaining: 4, reset_time: 61_500, ..RateLimitResp::default() };
        assert_eq!(in_words(&answer, 1_500), "UNDER_LIMIT  4 of 5 left, resets in 1m");
        answer.status = 1;
        answer.metadata.insert("owner".to_owned(), "10.0.0.1:1051".to_owned());
        answer.reset_time = 0;
        assert_eq!(in_words(&answer, 1_500), "OVER_LIMIT  4 of 5 left, owner=10.0.0.1:1051");
    }
}
