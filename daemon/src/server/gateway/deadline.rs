//! How long a caller is willing to wait: the header `Grpc-Timeout`, in gRPC's syntax.

use std::future::Future;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::server::timeout::parse_timeout;

/// The moment at which a caller gives up, if it named one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// Counts from now, when the head of the request has come in. A timeout of 0 is none.
    ///
    /// # Errors
    /// INVALID_ARGUMENT for a header that is no timeout.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Status> {
        let Some(value) = headers.get("grpc-timeout").filter(|value| !value.is_empty()) else {
            return Ok(Self(None));
        };
        let timeout = value.to_str().ok().and_then(parse_timeout).ok_or_else(|| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let hint = "give digits and one of the units H, M, S, m, u, n, such as 500m";
            Status::invalid_argument(format!("invalid grpc-timeout: {text}; {hint}"))
        })?;
        if timeout.is_zero() {
            return Ok(Self(None));
        }
        // One too far to be told is as good as none.
        Ok(Self(Instant::now().checked_add(timeout)))
    }

    /// The time that is left, none where it is unbounded.
    ///
    /// # Errors
    /// DEADLINE_EXCEEDED when nothing is left.
    pub(super) fn left(self) -> Result<Option<Duration>, Status> {
        let Some(at) = self.0 else { return Ok(None) };
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(exceeded()) } else { Ok(Some(left)) }
    }

    /// Awaits `call`, and drops it when the deadline comes first.
    ///
    /// # Errors
    /// The call's own, or DEADLINE_EXCEEDED.
    pub(super) async fn bound<T>(self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        match self.0 {
            Some(at) => timeout_at(at, call).await.unwrap_or_else(|_| Err(exceeded())),
            None => call.await,
        }
    }
}

fn exceeded() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
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
}
