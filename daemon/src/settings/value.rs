//! Texts of the environment and the configuration file made into values: durations, switches,
//! counts and addresses.

use std::{fmt, str::FromStr, time::Duration};

use crds::duration::{DurationError, GoDuration};
use thiserror::Error;

/// Why a text is not the value that was wanted. The message completes "`NAME` is `TEXT`, which …".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Not a duration in Go's syntax.
    #[error("is not a duration")]
    Duration,
    /// A number that should have a unit.
    #[error("has a number without a unit (ns, us, ms, s, m, h, d)")]
    NoUnit,
    /// A duration before zero.
    #[error("is a negative duration")]
    Negative,
    /// A duration or count beyond what the machine can hold.
    #[error("is too large")]
    TooLarge,
    /// Not a whole number.
    #[error("is not a whole number")]
    Count,
    /// Neither true nor false.
    #[error("is neither true nor false")]
    Switch,
    /// No colon between host and port.
    #[error("has no port")]
    NoPort,
    /// A port that is no number from 0 to 65535.
    #[error("has a port that is not a number from 0 to 65535")]
    Port,
    /// A host that cannot be one: a blank inside, or an IPv6 address without brackets.
    #[error("has a host that is neither a name, an IPv4 address nor an IPv6 address in brackets")]
    Host,
}

/// A place to listen at or to dial, `host:port`. Its text is kept as it was written, since the ring
/// hashes that text and not what it resolves to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    text: String,
    port: u16,
}

impl Address {
    /// The whole text, `host:port`, as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host without the brackets of an IPv6 address; empty where every interface is meant.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.text.rfind(':').map_or("", |colon| &self.text[..colon]);
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    /// The port; 0 where the system shall choose.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host means every interface of the machine: empty, `0.0.0.0` or `::`. Nobody can
    /// dial such an address.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        matches!(self.host(), "" | "0.0.0.0" | "::")
    }

    /// The same host with another port, as when the system has chosen one.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self::new(self.host(), port)
    }

    /// From a host (IPv6 without brackets) and a port.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let text = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Self { text, port }
    }

    /// What to bind, in the order to try: an empty host means every interface of both families, or of
    /// IPv4 alone where the machine has no IPv6.
    #[must_use]
    pub fn bind_texts(&self) -> Vec<String> {
        if self.host().is_empty() {
            vec![format!("[::]:{}", self.port), format!("0.0.0.0:{}", self.port)]
        } else {
            vec![self.text.clone()]
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Address {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (host, port) = text.rsplit_once(':').ok_or(ValueError::NoPort)?;
        let bare = match host.strip_prefix('[') {
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or(ValueError::Host)?;
                inner.parse::<std::net::Ipv6Addr>().map_err(|_| ValueError::Host)?;
                inner
            }
            None if host.contains(':') => return Err(ValueError::Host),
            None => host,
        };
        if bare.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | ',')) {
            return Err(ValueError::Host);
        }
        // `parse` alone would take "+80".
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ValueError::Port);
        }
        let port = port.parse().map_err(|_| ValueError::Port)?;
        Ok(Self { text: text.to_owned(), port })
    }
}

/// Parses what Go's `time.ParseDuration` takes (`500us`, `1h30m`, `1.5s`, `0`), and `d` for days: the
/// grammar of the manifests, with the sign and the second way to write micro that Go also knows.
///
/// # Errors
/// Where the text is no duration, is negative, or has more digits than anybody means.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if unsigned.starts_with(['+', '-']) && unsigned.len() < text.len() {
        return Err(ValueError::Duration);
    }
    // Go takes the Greek mu (U+03BC) as well as the micro sign (U+00B5).
    let duration: GoDuration =
        unsigned.replace('\u{3bc}', "\u{b5}").parse().map_err(|error| match error {
            DurationError::Negative(_) => ValueError::Negative,
            DurationError::TooLarge(_) => ValueError::TooLarge,
            DurationError::NoUnit(_) => ValueError::NoUnit,
            DurationError::Unit { .. } | DurationError::Syntax(_) => ValueError::Duration,
        })?;
    Ok(duration.get())
}

/// Writes a duration as [`parse_duration`] reads it, in the largest unit that leaves no fraction.
#[must_use]
pub fn render_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units: [(u128, &str); 6] = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    units
        .iter()
        .find(|(scale, _)| nanos > 0 && nanos.is_multiple_of(*scale))
        .map_or_else(|| "0s".to_owned(), |(scale, unit)| format!("{}{unit}", nanos / scale))
}

/// Parses what Go's `strconv.ParseBool` takes.
///
/// # Errors
/// Where the text is neither true nor false.
pub(super) fn parse_switch(text: &str) -> Result<bool, ValueError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ValueError::Switch),
    }
}

/// Parses a whole number from 0 on, in decimal digits; `_` may part them.
///
/// # Errors
/// Where there is anything else than digits, or more of them than fit.
pub(super) fn parse_count(text: &str) -> Result<usize, ValueError> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueError::Count);
    }
    digits.parse().map_err(|_| ValueError::TooLarge)
}

/// The parts of a comma list, trimmed, empty ones left out.
pub(super) fn parse_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let good: [(&str, u64); 9] = [
            ("0", 0),
            ("0s", 0),
            ("500us", 500_000),
            ("500µs", 500_000),
            ("500μs", 500_000),
            ("1.5s", 1_500_000_000),
            ("1h30m", 5_400_000_000_000),
            ("+2m", 120_000_000_000),
            ("7d", 604_800_000_000_000),
        ];
        for (text, nanos) in good {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for (text, error) in [
            ("", ValueError::Duration),
            ("1x", ValueError::Duration),
            ("+-1s", ValueError::Duration),
            ("5", ValueError::NoUnit),
            ("-1s", ValueError::Negative),
            ("99999999999s", ValueError::TooLarge),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["0s", "500us", "100ms", "90s", "10m", "1h", "1ns"] {
            assert_eq!(parse_duration(text).map(render_duration), Ok(text.to_owned()));
        }
    }

    #[test]
    fn addresses_keep_their_text() {
        let good = [
            ("localhost:1051", "localhost", 1051),
            (":0", "", 0),
            ("0.0.0.0:80", "0.0.0.0", 80),
            ("[::1]:1051", "::1", 1051),
            ("gubernator-1.gubernator.svc:81", "gubernator-1.gubernator.svc", 81),
        ];
        for (text, host, port) in good {
            let address: Address = text.parse().expect(text);
            assert_eq!((address.as_str(), address.host(), address.port()), (text, host, port));
            assert_eq!(Address::new(host, port), address);
        }
        let bad = [
            ("localhost", ValueError::NoPort),
            ("localhost:", ValueError::Port),
            ("localhost:http", ValueError::Port),
            ("localhost:+80", ValueError::Port),
            ("localhost:65536", ValueError::Port),
            ("::1:1051", ValueError::Host),
            ("[::1:1051", ValueError::Host),
            ("[host]:1051", ValueError::Host),
            ("http://host:1051", ValueError::Host),
            ("a b:1", ValueError::Host),
        ];
        for (text, error) in bad {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_empty_host_listens_on_both_families() {
        let address = Address::new("", 7);
        assert!(address.is_unspecified());
        assert_eq!(address.bind_texts(), ["[::]:7", "0.0.0.0:7"]);
        assert_eq!(address.with_port(9).as_str(), ":9");
    }

    #[test]
    fn switches_and_counts() {
        assert_eq!(parse_switch("True"), Ok(true));
        assert_eq!(parse_switch("0"), Ok(false));
        assert_eq!(parse_switch("yes"), Err(ValueError::Switch));
        assert_eq!(parse_count("50_000"), Ok(50_000));
        assert_eq!(parse_count("-1"), Err(ValueError::Count));
        assert_eq!(parse_count("99999999999999999999"), Err(ValueError::TooLarge));
        assert_eq!(parse_list("a, ,b,").collect::<Vec<_>>(), ["a", "b"]);
    }
}
