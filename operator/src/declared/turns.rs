//! What begins and ends with a policy, and is told once each time: that its window is cut, and that its
//! signals are not well.
//!
//! In between the pods may be silent, and nobody knows. The reason in the status says then how it was when
//! last it was known. So neither silence nor an operator that has just begun tells twice that it begins, or
//! never that it is over.

use crds::condition::{Condition, ConditionType, Reason};

use crate::{
    conditions::{self, Truth},
    events::Reason as Told,
};

/// What begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// The condition that tells of it.
    kind: ConditionType,
    /// What that says while it lasts.
    lasting: Truth,
    /// Why it is unknown, where it lasted when last it was known.
    lasted: Reason,
    /// What is told when it begins.
    begins: Told,
    /// What is told when it is over.
    ends: Told,
    /// What is told when there is no such condition any more; nothing where that is no end.
    gone: Option<&'static str>,
}

/// A signal cuts the window.
pub(crate) const THROTTLING: Turn = Turn {
    kind: ConditionType::Throttling,
    lasting: Truth::True,
    lasted: Reason::WasCut,
    begins: Told::ThrottlingStarted,
    ends: Told::ThrottlingEnded,
    gone: Some("the policy is not accepted any more, so nothing cuts its window"),
};

/// A signal has no fresh value.
pub(crate) const UNHEALTHY: Turn = Turn {
    kind: ConditionType::SignalsHealthy,
    lasting: Truth::False,
    lasted: Reason::WasUnhealthy,
    begins: Told::SignalsUnhealthy,
    ends: Told::SignalsHealthy,
    gone: None,
};

impl Turn {
    /// Why it is unknown now, where `before` is what was said last.
    pub(crate) fn unknown(&self, before: &[Condition]) -> Reason {
        let known = conditions::find(before, self.kind);
        if known.is_some_and(|known| self.lasts(known)) { self.lasted } else { Reason::Pending }
    }

    /// What is to be told, and in which words.
    pub(super) fn news<'a>(&self, before: &[Condition], after: &'a [Condition]) -> Option<(Told, &'a str)> {
        let lasted = conditions::find(before, self.kind).is_some_and(|known| self.lasts(known));
        match conditions::find(after, self.kind) {
            Some(now) if self.lasts(now) => (!lasted).then_some((self.begins, now.message.as_str())),
            Some(now) if now.status == Truth::Unknown.as_str() => None,
            Some(now) => lasted.then_some((self.ends, now.message.as_str())),
            None => self.gone.filter(|_| lasted).map(|gone| (self.ends, gone)),
        }
    }

    /// Whether it lasts, as far as anybody knows.
    fn lasts(&self, condition: &Condition) -> bool {
        condition.status == self.lasting.as_str() || condition.reason == self.lasted.as_str()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::conditions::Finding;

    /// What is told while a condition says this, one after the other.
    fn told(turn: Turn, truths: &[Option<Truth>]) -> Vec<Told> {
        let mut before = Vec::new();
        let mut told = Vec::new();
        for truth in truths {
            let found = truth.map(|truth| {
                let reason = match truth {
                    Truth::Unknown => turn.unknown(&before),
                    Truth::True | Truth::False => Reason::WindowOpen,
                };
                Finding::new(turn.kind, truth, reason, "")
            });
            let time = Time(Timestamp::UNIX_EPOCH);
            let after = conditions::merge(&before, found.as_slice(), Some(1), &time);
            told.extend(turn.news(&before, &after).map(|(told, _)| told));
            before = after;
        }
        told
    }

    const YES: Option<Truth> = Some(Truth::True);
    const NO: Option<Truth> = Some(Truth::False);
    const WHO_KNOWS: Option<Truth> = Some(Truth::Unknown);

    #[test]
    fn each_beginning_and_each_end_is_told_once_whatever_silence_lies_between() {
        let (started, ended) = (Told::ThrottlingStarted, Told::ThrottlingEnded);
        for (truths, expected) in [
            (&[WHO_KNOWS, NO, WHO_KNOWS, NO][..], &[][..]),
            (&[NO, YES, YES, NO, NO], &[started, ended]),
            (&[YES, WHO_KNOWS, WHO_KNOWS, NO], &[started, ended]),
            (&[YES, WHO_KNOWS, YES, WHO_KNOWS, WHO_KNOWS, YES], &[started]),
            (&[NO, WHO_KNOWS, YES, NO, WHO_KNOWS, YES], &[started, ended, started]),
            (&[YES, WHO_KNOWS, None, WHO_KNOWS, NO], &[started, ended]),
            (&[YES, None, None, YES], &[started, ended, started]),
        ] {
            assert_eq!(told(THROTTLING, truths), expected, "{truths:?}");
        }
    }

    #[test]
    fn signals_of_which_nobody_speaks_any_more_have_not_become_well() {
        let (ill, well) = (Told::SignalsUnhealthy, Told::SignalsHealthy);
        assert_eq!(told(UNHEALTHY, &[YES, WHO_KNOWS, YES]), []);
        assert_eq!(told(UNHEALTHY, &[NO, WHO_KNOWS, NO, WHO_KNOWS, YES]), [ill, well]);
        assert_eq!(told(UNHEALTHY, &[NO, None, NO]), [ill, ill]);
    }
}
