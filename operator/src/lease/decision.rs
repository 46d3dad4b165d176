//! What to do with a lease as it was seen. Pure.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// A lease, and since when it has been seen like this. The times in it are by other machines' clocks
/// and are compared with nothing but each other.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) lease: Lease,
    pub(super) since: Instant,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is ours: write it again.
    Renew,
    /// It is nobody's: put ourselves in.
    Take,
    /// Somebody else's, until then.
    Wait {
        /// Whose.
        holder: String,
        /// When it is dead, unless it is renewed.
        until: Instant,
    },
}

/// Whether `identity` may have the lease at `now`.
pub(super) fn decide(observed: &Observed, identity: &str, now: Instant) -> Decision {
    let holder = holder(&observed.lease);
    let until = observed.since + duration(&observed.lease);
    if holder == identity {
        Decision::Renew
    } else if holder.is_empty() || until <= now {
        Decision::Take
    } else {
        Decision::Wait { holder: holder.to_owned(), until }
    }
}

/// What is known after `lease` was read at `now`: unless somebody has written it since `before`, it is
/// as old as it was.
pub(super) fn observe(before: Option<Observed>, lease: Lease, now: Instant) -> Observed {
    let since =
        before.filter(|before| written(&before.lease) == written(&lease)).map_or(now, |before| before.since);
    Observed { lease, since }
}

/// Whose the lease is; empty where nobody's.
pub(super) fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

fn duration(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    Duration::from_secs(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default())
}

/// What holders write.
fn written(lease: &Lease) -> (&str, Option<jiff::Timestamp>, Option<i32>) {
    let spec = lease.spec.as_ref();
    let renewed = spec.and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
    (holder(lease), renewed, spec.and_then(|spec| spec.lease_transitions))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime};

    use super::*;
    use crate::clock;

    fn lease(holder: Option<&str>, seconds: Option<i32>, renewed: i64) -> Lease {
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: seconds,
            renew_time: Some(MicroTime(jiff::Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    #[test]
    fn a_lease_is_ours_or_nobody_s_or_somebody_else_s_until_its_end() {
        let since = clock::instant();
        let after = |millis| since + Duration::from_millis(millis);
        let wait = || Decision::Wait { holder: "other".into(), until: after(10_000) };
        for (lease, now, decision) in [
            (lease(Some("other"), Some(10), 0), after(0), wait()),
            (lease(Some("other"), Some(10), 0), after(9_999), wait()),
            (lease(Some("other"), Some(10), 0), after(10_000), Decision::Take),
            (lease(Some("other"), Some(-1), 0), after(0), Decision::Take),
            (lease(Some("other"), None, 0), after(0), Decision::Take),
            (lease(Some(""), Some(10), 0), after(0), Decision::Take),
            (lease(None, Some(10), 0), after(0), Decision::Take),
            (Lease::default(), after(0), Decision::Take),
            (lease(Some("us"), Some(10), 0), after(0), Decision::Renew),
            (lease(Some("us"), Some(10), 0), after(60_000), Decision::Renew),
        ] {
            let shown = format!("{:?} {now:?}", lease.spec);
            assert_eq!(decide(&Observed { lease, since }, "us", now), decision, "{shown}");
        }
    }

    #[test]
    fn a_lease_ages_from_when_it_was_last_seen_to_change() {
        let first = clock::instant();
        let later = first + Duration::from_secs(5);
        let seen = observe(None, lease(Some("other"), Some(10), 100), first);
        assert_eq!(seen.since, first);
        // Times in the lease may be by a clock that is far off: only a change counts.
        for (lease, since) in [
            (lease(Some("other"), Some(10), 100), first),
            (lease(Some("other"), Some(10), 50), later),
            (lease(Some("other"), Some(10), 102), later),
            (lease(Some("third"), Some(10), 100), later),
        ] {
            assert_eq!(observe(Some(seen.clone()), lease, later).since, since);
        }
        let mut touched = lease(Some("other"), Some(10), 100);
        touched.metadata.resource_version = Some("7".into());
        assert_eq!(observe(Some(seen), touched, later).since, first, "a label changes no age");
    }
}
