//! Whether a reply is the recorded one, by the rules of `testdata/README.md`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Unit, Zoned};
use proto::gubernator::RateLimitResp;

use super::recorded::{Answered, Interval, Sequence};

/// How far a reset time may lie off where the server's clock made it, in milliseconds.
const CLOCK_TOLERANCE: i64 = 40;
/// What we add to the metadata of the original.
const OURS: [&str; 2] = ["retry_after_ms", "degraded"];

/// What differs between `reply` and the recorded answer; none where they are the same.
pub(crate) fn difference(
    sequence: &Sequence,
    answered: &Answered,
    reply: &RateLimitResp,
    base: i64,
    suffix: &str,
) -> Option<String> {
    let mut found = Vec::new();
    let mut compare = |field: &str, same: bool, recorded: &dyn std::fmt::Debug, got: &dyn std::fmt::Debug| {
        if !same {
            found.push(format!("{field} was {recorded:?}, is {got:?}"));
        }
    };
    let status = reply.status().as_str_name();
    compare("status", status == answered.status, &answered.status, &status);
    compare("limit", reply.limit == answered.limit, &answered.limit, &reply.limit);
    compare("remaining", reply.remaining == answered.remaining, &answered.remaining, &reply.remaining);

    let error = reply.error.replace(suffix, "");
    compare("error", error == answered.error, &answered.error, &error);

    let mut metadata = reply.metadata.clone();
    metadata.retain(|key, _| !OURS.contains(&key.as_str()));
    compare("metadata", metadata == answered.metadata, &answered.metadata, &metadata);

    let due = reset_time(answered, base);
    let tolerance = if sequence.created_at || answered.interval.is_some() { 0 } else { CLOCK_TOLERANCE };
    let same = match due {
        None => reply.reset_time == 0,
        Some(due) => (reply.reset_time - due).abs() <= tolerance,
    };
    let got = (reply.reset_time != 0).then(|| reply.reset_time - base);
    compare("reset_dt", same, &due.map(|due| due - base), &got);
    (!found.is_empty()).then(|| found.join("; "))
}

/// The reset time that the recording asks for; none where it is 0.
fn reset_time(answered: &Answered, base: i64) -> Option<i64> {
    match &answered.interval {
        Some(interval) => Some(last_ms(interval, base)),
        None => answered.reset_dt.map(|dt| base + dt),
    }
}

/// The last millisecond of the calendar interval, in UTC. The calendar is reckoned here a second time,
/// by fields of the date and not by the daemon's rules.
fn last_ms(interval: &Interval, base: i64) -> i64 {
    let instant = Timestamp::from_millisecond(base + interval.dt).expect("an instant of our days");
    let at = instant.to_zoned(TimeZone::UTC);
    let floor = |unit| at.round(jiff::ZonedRound::new().smallest(unit).mode(jiff::RoundMode::Trunc));
    let midnight = at.start_of_day();
    let next: Result<Zoned, jiff::Error> = match interval.code {
        0 => floor(Unit::Minute).and_then(|start| start.checked_add(1.minute())),
        1 => floor(Unit::Hour).and_then(|start| start.checked_add(1.hour())),
        2 => midnight.and_then(|start| start.checked_add(1.day())),
        4 => midnight.and_then(|start| start.first_of_month()).and_then(|start| start.checked_add(1.month())),
        5 => midnight.and_then(|start| start.first_of_year()).and_then(|start| start.checked_add(1.year())),
        code => panic!("the recording has no calendar code {code}"),
    };
    next.expect("a calendar without end").timestamp().as_millisecond() - 1
}
