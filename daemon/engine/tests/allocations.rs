//! A hit on a key that exists allocates nothing, whatever it does to the bucket.

use wicketgate_engine::{Behavior, Calendar, Interval, Request, Status, Table, UnixMillis};

const NOW: i64 = 1_700_000_000_000;

fn hits(table: &Table, calendar: &Calendar, unique_key: &str, rounds: i64) -> Vec<Status> {
    let mut statuses = Vec::with_capacity(1_000);
    for round in 0..rounds {
        for (name, algorithm, duration, behavior) in [
            ("token", 0, 60_000, Behavior::BATCHING),
            ("leaky", 1, 60_000, Behavior::DRAIN_OVER_LIMIT),
            ("calendar", 0, Interval::Month.code(), Behavior::DURATION_IS_GREGORIAN),
        ] {
            // The limit moves, so that taking over a configuration is covered too.
            let limit = 3 + round % 2;
            let request =
                Request { name, unique_key, hits: 1, limit, duration, algorithm, behavior, burst: 0 };
            let hit = request.check(UnixMillis::new(NOW + round), calendar).expect("a hit");
            statuses.push(table.hit(&hit).status);
        }
    }
    statuses
}

#[test]
fn a_key_that_exists_costs_no_allocation() {
    let long = "a key that is longer than what fits beside the bucket: 0123456789";
    for unique_key in ["account:12345", long] {
        let (table, calendar) = (Table::new(1_000), Calendar::new("Europe/Zurich").expect("a zone"));
        hits(&table, &calendar, unique_key, 1);
        let mut statuses = Vec::new();
        let counted = allocation_counter::measure(|| statuses = hits(&table, &calendar, unique_key, 20));
        assert!(statuses.contains(&Status::UnderLimit) && statuses.contains(&Status::OverLimit));
        // The one is this test's own list.
        assert_eq!(counted.count_total, 1, "for {unique_key}");
    }
}
