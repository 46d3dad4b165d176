//! Calendar intervals: which minute, hour, day, week, month or year holds an instant, in a time zone.
//!
//! A span is a pure function of the instant, so two daemons in one zone agree without talking. Spans
//! of one kind touch: the millisecond after one's last is the next one's first, whatever the zone
//! does to its clocks.
//!
//! - A minute is 60,000 ms since the epoch, in every zone.
//! - An hour is the zone's clock hour. Where clocks go back by an hour, the repeated hour is a span of
//!   its own; where they are moved by half an hour, the hour cut by it is two spans.
//! - Days and longer begin at the first instant whose local time is midnight or later, and end where
//!   the next begins. So a day has 23 or 25 hours when the clocks change, and a midnight that comes
//!   twice counts the first time.
//!
//! In UTC all of this is arithmetic. Elsewhere the offset comes from the bundled time zone database;
//! beyond the years it knows (-9999 to 9999) the offset of its last or first instant stays in force.
//! At the ends of `i64` a span is cut to what `i64` can say.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::UnixMillis;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Days of a week before the first Monday of the epoch's calendar: 1970-01-01 was a Thursday.
const EPOCH_WEEKDAY: i64 = 3;

/// A kind of calendar interval, with the wire's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interval {
    /// Code 0.
    Minute,
    /// Code 1.
    Hour,
    /// Code 2.
    Day,
    /// Code 3: Monday to Sunday.
    Week,
    /// Code 4.
    Month,
    /// Code 5.
    Year,
}

impl Interval {
    /// Every interval, in the order of its code.
    pub const ALL: [Self; 6] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// From the code that a request carries as its `duration`, or `None` where there is no such one.
    #[must_use]
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Minute),
            1 => Some(Self::Hour),
            2 => Some(Self::Day),
            3 => Some(Self::Week),
            4 => Some(Self::Month),
            5 => Some(Self::Year),
            _ => None,
        }
    }

    /// The code that a request carries as its `duration`.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
            Self::Week => 3,
            Self::Month => 4,
            Self::Year => 5,
        }
    }
}

/// One calendar interval as instants, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first millisecond.
    pub first: UnixMillis,
    /// Its last millisecond (`…999`).
    pub last: UnixMillis,
}

impl Span {
    /// The true length in milliseconds: 23 or 25 hours for a day on which clocks change.
    #[must_use]
    pub const fn len_millis(self) -> i64 {
        self.last.since(self.first).saturating_add(1)
    }

    /// The part of `length` ms that holds `at`, counted from `shift` ms after the epoch.
    fn aligned(at: i64, length: i64, shift: i64) -> Self {
        let into = (at.rem_euclid(length) - shift).rem_euclid(length);
        Self {
            first: UnixMillis::new(at.saturating_sub(into)),
            last: UnixMillis::new(at.saturating_add(length - 1 - into)),
        }
    }

    /// From `first` up to but without `next`, cut to what `i64` can say.
    fn between(first: i128, next: i128) -> Self {
        Self { first: saturated(first), last: saturated(next - 1) }
    }
}

/// A time zone that is not in the database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone '{0}'; give a name of the IANA database, such as 'UTC' or 'Europe/Berlin'")]
pub struct UnknownZone(pub String);

/// Calendar arithmetic in one time zone. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// `None` is UTC, which needs no database.
    zone: Option<TimeZone>,
}

impl Calendar {
    /// The calendar of UTC.
    #[must_use]
    pub const fn utc() -> Self {
        Self { zone: None }
    }

    /// The calendar of a zone by its IANA name, from the database built into the program.
    ///
    /// # Errors
    /// Where the database has no zone of that name.
    pub fn new(zone: &str) -> Result<Self, UnknownZone> {
        // The database answers this name with a zone that stands for not knowing.
        if zone.eq_ignore_ascii_case("Etc/Unknown") {
            return Err(UnknownZone(zone.to_owned()));
        }
        let found = TimeZone::get(zone).map_err(|_| UnknownZone(zone.to_owned()))?;
        let is_utc = found.following(Timestamp::MIN).next().is_none()
            && found.to_offset(Timestamp::UNIX_EPOCH).seconds() == 0;
        Ok(Self { zone: (!is_utc).then_some(found) })
    }

    /// The interval of this kind that holds `at`: `first <= at <= last`, for any `at`.
    #[must_use]
    pub fn span(&self, interval: Interval, at: UnixMillis) -> Span {
        let at = at.get();
        match (interval, &self.zone) {
            (Interval::Minute, _) => Span::aligned(at, MINUTE, 0),
            (Interval::Hour, None) => Span::aligned(at, HOUR, 0),
            (Interval::Day, None) => Span::aligned(at, DAY, 0),
            // Monday is EPOCH_WEEKDAY days before the epoch.
            (Interval::Week, None) => Span::aligned(at, 7 * DAY, 7 * DAY - EPOCH_WEEKDAY * DAY),
            (Interval::Month | Interval::Year, None) => {
                let cycle = Cycle::holding(interval, at.div_euclid(DAY));
                Span::between(cycle.starts_local(), cycle.next().starts_local())
            }
            (Interval::Hour, Some(zone)) => hour_in(zone, at),
            (_, Some(zone)) => days_in(zone, interval, at),
        }
    }
}

/// The clock hour of a zone. Boundaries move only where an offset changes by part of an hour.
fn hour_in(zone: &TimeZone, at: i64) -> Span {
    let offset = offset_at(zone, at);
    let mut span = Span::aligned(at, HOUR, -offset);
    let strays = |end: UnixMillis| (offset_at(zone, end.get()) - offset) % HOUR != 0;
    if strays(span.first)
        && let Ok(just_after) = Timestamp::from_millisecond(at.saturating_add(1))
        && let Some(change) = zone.preceding(just_after).next()
    {
        span.first = span.first.max(UnixMillis::new(change.timestamp().as_millisecond()));
    }
    if strays(span.last)
        && let Ok(at) = Timestamp::from_millisecond(at)
        && let Some(change) = zone.following(at).next()
    {
        span.last = span.last.min(UnixMillis::new(change.timestamp().as_millisecond() - 1));
    }
    span
}

/// Days and what is made of days: from one local midnight to another.
fn days_in(zone: &TimeZone, interval: Interval, at: i64) -> Span {
    let local_day = (i128::from(at) + i128::from(offset_at(zone, at))).div_euclid(i128::from(DAY));
    let mut cycle = Cycle::holding(interval, saturated(local_day).get());
    let at = i128::from(at);
    // Where clocks go back over a midnight, the local date is not the span's: step over.
    if at < cycle.starts_in(zone) {
        cycle = cycle.previous();
    } else if at >= cycle.next().starts_in(zone) {
        cycle = cycle.next();
    }
    Span::between(cycle.starts_in(zone), cycle.next().starts_in(zone))
}

/// One day, week, month or year of the calendar, by its number since that of the epoch.
#[derive(Clone, Copy)]
struct Cycle {
    interval: Interval,
    number: i64,
}

impl Cycle {
    /// The one that holds a day, counted from 1970-01-01.
    const fn holding(interval: Interval, day: i64) -> Self {
        let number = match interval {
            Interval::Week => (day + EPOCH_WEEKDAY).div_euclid(7),
            Interval::Month => {
                let (year, month) = year_and_month(day);
                year * 12 + month - 1
            }
            Interval::Year => year_and_month(day).0,
            Interval::Minute | Interval::Hour | Interval::Day => day,
        };
        Self { interval, number }
    }

    const fn next(self) -> Self {
        Self { interval: self.interval, number: self.number + 1 }
    }

    const fn previous(self) -> Self {
        Self { interval: self.interval, number: self.number - 1 }
    }

    /// Its first day, counted from 1970-01-01.
    const fn first_day(self) -> i64 {
        match self.interval {
            Interval::Week => self.number * 7 - EPOCH_WEEKDAY,
            Interval::Month => first_of_month(self.number.div_euclid(12), self.number.rem_euclid(12) + 1),
            Interval::Year => first_of_month(self.number, 1),
            Interval::Minute | Interval::Hour | Interval::Day => self.number,
        }
    }

    /// Its first midnight in local milliseconds, as if the zone were UTC.
    fn starts_local(self) -> i128 {
        i128::from(self.first_day()) * i128::from(DAY)
    }

    /// The first instant at which the zone's clocks show its first midnight or later.
    fn starts_in(self, zone: &TimeZone) -> i128 {
        let local = self.starts_local();
        let Some(midnight) = civil_date(self.first_day()) else {
            let edge = if local < 0 { Timestamp::MIN } else { Timestamp::MAX };
            return local - i128::from(millis(zone.to_offset(edge).seconds()));
        };
        match zone.to_ambiguous_timestamp(midnight.at(0, 0, 0, 0)).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                local - i128::from(millis(offset.seconds()))
            }
            // Midnight is skipped: the day begins when the clocks jump, which is the first change
            // after the instant at which the later offset would have shown midnight.
            AmbiguousOffset::Gap { before, after } => {
                let too_early = local - i128::from(millis(after.seconds()));
                Timestamp::from_millisecond(saturated(too_early).get())
                    .ok()
                    .and_then(|early| zone.following(early).next())
                    .map_or_else(
                        || local - i128::from(millis(before.seconds())),
                        |change| i128::from(change.timestamp().as_millisecond()),
                    )
            }
        }
    }
}

/// Milliseconds by which the zone's clocks are ahead of UTC.
fn offset_at(zone: &TimeZone, at: i64) -> i64 {
    let edge = if at < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let known = Timestamp::from_millisecond(at).unwrap_or(edge);
    millis(zone.to_offset(known).seconds())
}

fn millis(seconds: i32) -> i64 {
    i64::from(seconds) * SECOND
}

fn saturated(millis: i128) -> UnixMillis {
    let clamped = millis.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    UnixMillis::new(i64::try_from(clamped).unwrap_or(i64::MAX))
}

/// The date of a day counted from 1970-01-01, in the years that the database knows.
fn civil_date(day: i64) -> Option<Date> {
    let (year, month) = year_and_month(day);
    let of_month = day - first_of_month(year, month) + 1;
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(of_month).ok()?).ok()
}

/// Days in 400 years of the Gregorian calendar, after which it repeats.
const ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01. Years that begin in March have their odd day at the end.
const MARCH_OF_YEAR_ZERO: i64 = 719_468;

/// The first day of a month (1 to 12) of the proleptic Gregorian calendar, from 1970-01-01.
const fn first_of_month(year: i64, month: i64) -> i64 {
    let march_year = if month < 3 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let of_era = march_year.rem_euclid(400);
    // 153 days every five months, counted from March.
    let day_of_year = (153 * from_march + 2) / 5;
    march_year.div_euclid(400) * ERA + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year
        - MARCH_OF_YEAR_ZERO
}

/// The year and month (1 to 12) of a day counted from 1970-01-01.
const fn year_and_month(day: i64) -> (i64, i64) {
    let from_march = day + MARCH_OF_YEAR_ZERO;
    let of_era = from_march.rem_euclid(ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march_month = (5 * day_of_year + 2) / 153;
    let month = (from_march_month + 2) % 12 + 1;
    let year = from_march.div_euclid(ERA) * 400 + year_of_era;
    (if month < 3 { year + 1 } else { year }, month)
}

#[cfg(test)]
mod tests;
