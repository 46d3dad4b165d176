//! Conditions that change only when they say something else.

use crds::condition::{Condition, ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The longest message that is written; the schema allows more, but nobody reads it.
const MESSAGE_BYTES: usize = 2048;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody can say.
    Unknown,
}

impl Truth {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// What a reconcile has found out about one aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which aspect.
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: Truth,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(
        kind: ConditionType,
        status: impl Into<Truth>,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, status: status.into(), reason, message: message.into() }
    }
}

/// The conditions that say what was found, for an object of `generation`. A condition that says the
/// same as before keeps its time; `now` is that of the others' transition.
#[must_use]
pub fn merge(before: &[Condition], found: &[Finding], generation: Option<i64>, now: &Time) -> Vec<Condition> {
    // The API server keeps whole seconds, and what was said must be what is read back.
    let now = Time(Timestamp::from_second(now.0.as_second()).unwrap_or(now.0));
    found
        .iter()
        .map(|finding| {
            let status = finding.status.as_str();
            let since = before
                .iter()
                .find(|condition| condition.type_ == finding.kind.as_str() && condition.status == status)
                .map_or(&now, |condition| &condition.last_transition_time);
            Condition {
                type_: finding.kind.as_str().to_owned(),
                status: status.to_owned(),
                reason: finding.reason.as_str().to_owned(),
                message: bounded(&finding.message).to_owned(),
                observed_generation: generation,
                last_transition_time: since.clone(),
            }
        })
        .collect()
}

/// The condition of a kind.
#[must_use]
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// Whether a condition is there and holds.
#[must_use]
pub fn holds(conditions: &[Condition], kind: ConditionType) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == Truth::True.as_str())
}

/// A text of at most [`MESSAGE_BYTES`], cut between characters.
fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time(jiff::Timestamp::from_second(seconds).unwrap())
    }

    fn programmed(status: Truth, message: &str) -> Finding {
        Finding::new(ConditionType::Programmed, status, Reason::Pending, message)
    }

    #[test]
    fn time_changes_with_the_status_alone() {
        let first = merge(&[], &[programmed(Truth::False, "one of three")], Some(1), &at(10));
        assert_eq!(first[0].last_transition_time, at(10));
        let second = merge(&first, &[programmed(Truth::False, "two of three")], Some(2), &at(20));
        assert_eq!((&second[0].last_transition_time, second[0].observed_generation), (&at(10), Some(2)));
        assert_eq!(second[0].message, "two of three");
        let third = merge(&second, &[programmed(Truth::True, "")], Some(2), &at(30));
        assert_eq!(third[0].last_transition_time, at(30));
        assert!(holds(&third, ConditionType::Programmed) && !holds(&second, ConditionType::Programmed));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let found = programmed(Truth::False, &"ä".repeat(3000));
        assert_eq!(merge(&[], &[found], None, &at(0))[0].message.len(), MESSAGE_BYTES);
    }
}
