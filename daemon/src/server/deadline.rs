//! How long a caller is willing to wait, and how long we are, whichever is less.

use std::future::Future;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::clock;

/// What any call may take: its body may be slow, its owner may be away, and its caller may say that
/// it waits a thousand years, but nothing is held for ever.
pub(super) const SLOWEST: Duration = Duration::from_secs(60);

/// The moment at which a call is given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    named: bool,
}

impl Deadline {
    /// Counts from now; `timeout` is the caller's, where it named one.
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        let bound = timeout.unwrap_or(SLOWEST).min(SLOWEST);
        Self { at: clock::timer() + bound, named: timeout.is_some() }
    }

    /// The time that is left of the caller's own, none where it named none.
    ///
    /// # Errors
    /// DEADLINE_EXCEEDED when nothing is left.
    pub(super) fn left(self) -> Result<Option<Duration>, Status> {
        let left = self.at.saturating_duration_since(clock::timer());
        if left.is_zero() { Err(exceeded()) } else { Ok(self.named.then_some(left)) }
    }

    /// Awaits `call`, and drops it when the deadline comes first.
    ///
    /// # Errors
    /// The call's own, or DEADLINE_EXCEEDED.
    pub(super) async fn bound<T>(self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        timeout_at(self.at, call).await.unwrap_or_else(|_| Err(exceeded()))
    }
}

/// What a caller is told whose time is up, in the original's words.
pub(super) fn exceeded() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

/// The header `grpc-timeout` of a gRPC call: at most eight digits and a unit.
///
/// # Errors
/// INTERNAL, as in grpc-go, where the header is there and is no timeout; DEADLINE_EXCEEDED where no
/// time is left.
pub(super) fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    match value.to_str().ok().filter(|text| text.len() <= 9).and_then(parse_timeout) {
        Some(timeout) if timeout.is_zero() => Err(exceeded()),
        Some(timeout) => Ok(Some(timeout)),
        None => {
            Err(Status::internal(format!("malformed grpc-timeout: {value:?}; write it as in 100m or 5S")))
        }
    }
}

/// The header `Grpc-Timeout` of an HTTP call, where 0 is no timeout and digits have no end.
///
/// # Errors
/// INVALID_ARGUMENT where the header is no timeout.
pub(super) fn http_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.to_str().ok().and_then(parse_timeout) {
        Some(timeout) => Ok(Some(timeout).filter(|timeout| !timeout.is_zero())),
        None => {
            let text = String::from_utf8_lossy(value.as_bytes());
            let hint = "give digits and one of the units H, M, S, m, u, n, such as 500m";
            Err(Status::invalid_argument(format!("invalid grpc-timeout: {text}; {hint}")))
        }
    }
}

/// Digits and a unit, as gRPC writes a timeout.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(count.saturating_mul(60))),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (text, nanos) in [
            ("2H", 7_200_000_000_000),
            ("1M", 60_000_000_000),
            ("1S", 1_000_000_000),
            ("500m", 500_000_000),
            ("7u", 7_000),
            ("1n", 1),
            ("0S", 0),
        ] {
            assert_eq!(parse_timeout(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        assert_eq!(parse_timeout("18446744073709551615H"), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn no_timeouts() {
        for text in ["", "S", "5", "1s", "-1S", "+1S", "1.5S", " 1S", "1 S", "99999999999999999999S", "1é"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
    }

    #[test]
    fn each_door_reads_the_header_its_own_way() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            (
                grpc_timeout(&headers).map_err(|status| status.code()),
                http_timeout(&headers).map_err(|status| status.code()),
            )
        };
        let second = Some(Duration::from_secs(1));
        assert_eq!(read("1S"), (Ok(second), Ok(second)));
        assert_eq!(read("0n"), (Err(tonic::Code::DeadlineExceeded), Ok(None)));
        assert_eq!(read("1000000000n"), (Err(tonic::Code::Internal), Ok(second)));
        assert_eq!(read("x"), (Err(tonic::Code::Internal), Err(tonic::Code::InvalidArgument)));
        assert_eq!(grpc_timeout(&HeaderMap::new()).ok(), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_beyond_our_own_bound() {
        let deadline = Deadline::new(Some(Duration::from_secs(u64::MAX)));
        assert_eq!(deadline.left().unwrap(), Some(SLOWEST));
        let started = clock::timer();
        let never = std::future::pending::<Result<(), Status>>();
        assert_eq!(deadline.bound(never).await.unwrap_err().code(), tonic::Code::DeadlineExceeded);
        assert_eq!(started.elapsed(), SLOWEST);
        assert_eq!(Deadline::new(None).left().unwrap(), None);
    }
}
