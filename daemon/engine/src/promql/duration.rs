//! Durations as Prometheus writes them.

/// Milliseconds of `5m`, `1h30m` or plain seconds, such as `300` or `0.5`; never negative.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = seconds * 1_000.0;
        return (0.0..=i64::MAX as f64).contains(&millis).then_some(millis as i64);
    }
    // Largest first: each at most once, and in this order.
    let mut units = [
        ("y", 31_536_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ]
    .into_iter();
    let (mut rest, mut total) = (text, 0_i64);
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, millis) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(digits.parse::<i64>().ok()?.checked_mul(millis)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("15s", Some(15_000)),
            ("1d", Some(86_400_000)),
            ("1y1ms", Some(31_536_000_001)),
            ("0.5", Some(500)),
            ("1e400", None),
            ("NaN", None),
            ("-1", None),
            ("5", Some(5_000)),
            ("1s1s", None),
            ("9223372036854775807s", None),
            ("", None),
            ("s", None),
            ("5s3", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), millis, "{text}");
        }
    }
}
