//! What the failure of a watch means.

use std::fmt;

use kube::runtime::watcher;

/// The longest text of a failure that is kept; servers can say much.
const LONGEST: usize = 500;

/// Kinds of failures; each is a label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No answer: the server is away, or too slow, or somebody else answers.
    Unreachable,
    /// The server answers that this may not be.
    Refused,
    /// The server has forgotten what came since; everything is listed again.
    Gone,
}

/// One failure of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    text: String,
}

impl Failure {
    /// What a watcher's error means.
    #[must_use]
    pub fn of(error: &watcher::Error) -> Self {
        let code = match error {
            watcher::Error::WatchError(status) => Some(status.code),
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        };
        let kind = match code {
            Some(410) => FailureKind::Gone,
            // A server that is starting, or a proxy before one that is away, answers 5xx or 429.
            Some(code) if (400..500).contains(&code) && code != 429 => FailureKind::Refused,
            _ => FailureKind::Unreachable,
        };
        Self { kind, text: shorten(chain(error)) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// An error with what caused it, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

/// At most so many bytes of a text, and a sign that there was more.
pub(crate) fn shorten(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn kind(code: u16) -> FailureKind {
        let status = Status::failure("no", "Reason").with_code(code).boxed();
        Failure::of(&watcher::Error::InitialListFailed(kube::Error::Api(status))).kind
    }

    #[test]
    fn what_a_server_says_is_told_from_its_absence() {
        for (code, expected) in [
            (401, FailureKind::Refused),
            (403, FailureKind::Refused),
            (404, FailureKind::Refused),
            (410, FailureKind::Gone),
            (429, FailureKind::Unreachable),
            (503, FailureKind::Unreachable),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
        assert_eq!(Failure::of(&watcher::Error::NoResourceVersion).kind, FailureKind::Unreachable);
    }

    #[test]
    fn texts_are_bounded() {
        let text = shorten("ä".repeat(1_000));
        assert!(text.len() <= LONGEST + '…'.len_utf8() && text.ends_with('…'));
    }
}
