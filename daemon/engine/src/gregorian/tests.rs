//! Literal vectors, and laws that every zone must keep.

use super::*;

fn span(zone: &str, interval: Interval, at: &str) -> Span {
    let at: Timestamp = at.parse().unwrap();
    Calendar::new(zone).unwrap().span(interval, UnixMillis::new(at.as_millisecond()))
}

fn text(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.get()).unwrap().to_string()
}

fn assert_span(zone: &str, interval: Interval, at: &str, first: &str, last: &str) {
    let span = span(zone, interval, at);
    assert_eq!((text(span.first).as_str(), text(span.last).as_str()), (first, last), "{interval:?} {at}");
}

#[test]
fn codes_round_trip() {
    for interval in Interval::ALL {
        assert_eq!(Interval::from_code(interval.code()), Some(interval));
    }
    for code in [-1, 6, 99, i64::MAX, i64::MIN] {
        assert_eq!(Interval::from_code(code), None);
    }
}

#[test]
fn utc_intervals() {
    use Interval::{Day, Hour, Minute, Month, Week, Year};
    for (interval, at, first, last) in [
        (Minute, "2019-11-11T00:00:30Z", "2019-11-11T00:00:00Z", "2019-11-11T00:00:59.999Z"),
        (Hour, "2019-11-11T00:20:01Z", "2019-11-11T00:00:00Z", "2019-11-11T00:59:59.999Z"),
        (Day, "2019-11-11T12:10:09Z", "2019-11-11T00:00:00Z", "2019-11-11T23:59:59.999Z"),
        (Week, "2024-02-28T12:00:00Z", "2024-02-26T00:00:00Z", "2024-03-03T23:59:59.999Z"),
        (Week, "2024-02-26T00:00:00Z", "2024-02-26T00:00:00Z", "2024-03-03T23:59:59.999Z"),
        (Week, "2024-02-25T23:59:59.999Z", "2024-02-19T00:00:00Z", "2024-02-25T23:59:59.999Z"),
        (Week, "1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z", "1970-01-04T23:59:59.999Z"),
        (Month, "2024-02-10T00:00:00Z", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999Z"),
        (Month, "1900-02-28T00:00:00Z", "1900-02-01T00:00:00Z", "1900-02-28T23:59:59.999Z"),
        (Year, "2019-03-01T00:00:00Z", "2019-01-01T00:00:00Z", "2019-12-31T23:59:59.999Z"),
        (Year, "1969-12-31T23:59:59.999Z", "1969-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"),
    ] {
        assert_span("UTC", interval, at, first, last);
        // The general way, through the database, comes to the same.
        let zone = TimeZone::fixed(jiff::tz::Offset::UTC);
        let at: Timestamp = at.parse().unwrap();
        let at = UnixMillis::new(at.as_millisecond());
        assert_eq!(Calendar { zone: Some(zone) }.span(interval, at), Calendar::utc().span(interval, at));
    }
}

#[test]
fn days_on_which_clocks_change_have_their_true_length() {
    let short = span("Europe/Berlin", Interval::Day, "2024-03-31T12:00:00Z");
    let long = span("Europe/Berlin", Interval::Day, "2024-10-27T12:00:00Z");
    assert_eq!((short.len_millis(), long.len_millis()), (23 * HOUR, 25 * HOUR));
    // Midnight is skipped: the day begins at one.
    assert_span(
        "America/Sao_Paulo",
        Interval::Day,
        "2018-11-04T12:00:00Z",
        "2018-11-04T03:00:00Z",
        "2018-11-05T01:59:59.999Z",
    );
    // 00:01 becomes 23:01: the day that has begun goes on.
    assert_span(
        "America/St_Johns",
        Interval::Day,
        "2010-11-07T03:00:00Z",
        "2010-11-07T02:30:00Z",
        "2010-11-08T03:29:59.999Z",
    );
    // A whole day is left out.
    assert_span(
        "Pacific/Apia",
        Interval::Day,
        "2011-12-30T09:59:59.999Z",
        "2011-12-29T10:00:00Z",
        "2011-12-30T09:59:59.999Z",
    );
    assert_span(
        "Pacific/Apia",
        Interval::Day,
        "2011-12-30T10:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-31T09:59:59.999Z",
    );
}

#[test]
fn hours_follow_the_zones_clock() {
    // +05:45: clock hours begin at a quarter past in UTC.
    assert_span(
        "Asia/Kathmandu",
        Interval::Hour,
        "2024-06-01T10:20:00Z",
        "2024-06-01T10:15:00Z",
        "2024-06-01T11:14:59.999Z",
    );
    // The repeated hour is a span of its own.
    assert_span(
        "Europe/Berlin",
        Interval::Hour,
        "2024-10-27T00:30:00Z",
        "2024-10-27T00:00:00Z",
        "2024-10-27T00:59:59.999Z",
    );
    // Clocks go back by half an hour: the second half of that hour comes twice.
    assert_span(
        "Australia/Lord_Howe",
        Interval::Hour,
        "2024-04-06T14:50:00Z",
        "2024-04-06T14:00:00Z",
        "2024-04-06T14:59:59.999Z",
    );
    assert_span(
        "Australia/Lord_Howe",
        Interval::Hour,
        "2024-04-06T15:10:00Z",
        "2024-04-06T15:00:00Z",
        "2024-04-06T15:29:59.999Z",
    );
}

#[test]
fn unknown_zones_are_named() {
    for zone in ["", "Mars/Olympus", "Etc/Unknown", "../../etc/passwd"] {
        let error = Calendar::new(zone).unwrap_err();
        assert!(error.to_string().contains(&format!("'{zone}'")), "{error}");
    }
    assert!(Calendar::new("Etc/UTC").unwrap().zone.is_none());
}

const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/Lisbon",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Antarctica/Troll",
];

/// What must hold at `at`, in every zone and for every interval.
fn assert_laws(calendar: &Calendar, zone: &str, interval: Interval, at: i64) {
    let span = calendar.span(interval, UnixMillis::new(at));
    let (first, last) = (span.first.get(), span.last.get());
    assert!(first <= at && at <= last, "{zone} {interval:?} {at}: {span:?}");
    for inside in [first, last, first.midpoint(last)] {
        let same = calendar.span(interval, UnixMillis::new(inside));
        assert_eq!(same, span, "{zone} {interval:?} {inside} and {at}");
    }
    if last < i64::MAX {
        let next = calendar.span(interval, UnixMillis::new(last + 1));
        assert_eq!(next.first.get(), last + 1, "{zone} {interval:?} after {at}");
    }
    if first > i64::MIN {
        let previous = calendar.span(interval, UnixMillis::new(first - 1));
        assert_eq!(previous.last.get(), first - 1, "{zone} {interval:?} before {at}");
    }
}

#[test]
fn spans_hold_their_instant_and_touch() {
    let edges = [
        i64::MIN,
        i64::MIN + 1,
        Timestamp::MIN.as_millisecond(),
        -1,
        0,
        1,
        Timestamp::MAX.as_millisecond(),
        253_402_300_800_000,
        i64::MAX - 1,
        i64::MAX,
    ];
    for zone in ZONES {
        let calendar = Calendar::new(zone).unwrap();
        for interval in Interval::ALL {
            for edge in edges {
                for step in -40..=40_i64 {
                    assert_laws(&calendar, zone, interval, edge.saturating_add(step * 997 * MINUTE / 3));
                }
            }
            // Every change of the zone's clocks up to the year 2040, from the first it knows.
            let Some(tz) = &calendar.zone else { continue };
            let stop = Timestamp::from_second(2_208_988_800).unwrap();
            for change in tz.following(Timestamp::MIN).take_while(|change| change.timestamp() < stop) {
                let change = change.timestamp().as_millisecond();
                for near in [-25 * HOUR, -HOUR, -1, 0, 1, 29 * MINUTE, HOUR, 25 * HOUR] {
                    assert_laws(&calendar, zone, interval, change + near);
                }
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_instant_has_its_span(at in proptest::prelude::any::<i64>(), zone in 0..ZONES.len(), code in 0..6_i64) {
        let calendar = Calendar::new(ZONES[zone]).unwrap();
        assert_laws(&calendar, ZONES[zone], Interval::from_code(code).unwrap(), at);
    }
}
