//! The caller's deadline, as gRPC sends it.

use std::time::Duration;

use http::HeaderMap;
use tonic::Status;

/// The `grpc-timeout` header: digits and a unit.
///
/// # Errors
/// INTERNAL, as in grpc-go, where the header is there and is no timeout.
pub(super) fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let malformed =
        || Status::internal(format!("malformed grpc-timeout: {value:?}; write it as in 100m or 5S"));
    value.to_str().ok().and_then(parse_timeout).map(Some).ok_or_else(malformed)
}

/// Digits and a unit, as gRPC writes a timeout. One too long to be told is as good as none.
pub(super) fn parse_timeout(text: &str) -> Option<Duration> {
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
    fn digits_and_a_unit() {
        let parse = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            grpc_timeout(&headers).map_err(|status| status.code())
        };
        assert_eq!(parse("1S"), Ok(Some(Duration::from_secs(1))));
        assert_eq!(parse("99999999H"), Ok(Some(Duration::from_secs(99_999_999 * 3600))));
        assert_eq!(parse("18446744073709551615H"), Ok(Some(Duration::from_secs(u64::MAX))));
        assert_eq!(parse("250m"), Ok(Some(Duration::from_millis(250))));
        assert_eq!(grpc_timeout(&HeaderMap::new()).ok(), Some(None));
        for bad in ["", "S", "1", "-1S", "1x", "1.5S"] {
            assert_eq!(parse(bad), Err(tonic::Code::Internal), "{bad}");
        }
    }
}
