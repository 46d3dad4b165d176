//! An error with its causes, in one line.

use std::error::Error;

/// The message, and those of its causes that say anything else.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Some libraries repeat the cause's message in their own.
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Link {
        message: &'static str,
        #[source]
        cause: Option<Box<Self>>,
    }

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let link = |message, cause| Some(Box::new(Link { message, cause }));
        let last = link("connection refused", None);
        let error = Link { message: "no answer", cause: link("request failed: connection refused", last) };
        assert_eq!(chain(&error), "no answer: request failed: connection refused");
    }
}
