//! Golden tables: literal requests at literal times, with the replies they must have.
//!
//! ```text
//! case NAME            a new table; everything up to the next case happens in it
//! token | leaky        the algorithm
//! limit=10 duration=30s burst=20 flags=8|32 zone=Europe/Berlin key=b name=a_b
//!                      what requests say from here on; `duration` takes ms, `s` or `m`; `burst` and
//!                      `flags` begin at 0; `key` and `name` at `k` and `n`
//! base=N               the case's own time zero, ms since the epoch
//! +1500  -20           time goes on, or back, by milliseconds
//! 1->U/9               hits 1: UNDER_LIMIT, remaining 9
//! 1->O/0@9000~9001     reset_time is base + 9000, retry_after_ms is 9001
//! 1->U/9@T+3000        reset_time is 3000 after now;  @=0 reset_time is 0 itself;  ~- no retry_after
//! 1->"text"            refused before a bucket is asked, with this error
//! # comment
//! ```

use wicketgate_engine::{Behavior, Calendar, Request, Status, Table, UnixMillis};

/// 2023-11-14T22:13:20Z, twenty seconds into a minute.
const BASE: i64 = 1_700_000_000_000;

struct Case {
    table: Table,
    calendar: Calendar,
    label: String,
    name: String,
    key: String,
    algorithm: i32,
    limit: i64,
    duration: i64,
    burst: i64,
    flags: i32,
    base: i64,
    now: i64,
}

impl Case {
    fn new(label: &str) -> Self {
        Self {
            table: Table::new(100),
            calendar: Calendar::utc(),
            label: label.to_owned(),
            name: "n".to_owned(),
            key: "k".to_owned(),
            algorithm: 0,
            limit: 0,
            duration: 0,
            burst: 0,
            flags: 0,
            base: BASE,
            now: BASE,
        }
    }

    /// Plays one word; whether it was a request.
    fn play(&mut self, word: &str) -> bool {
        if let Some((hits, expected)) = word.split_once("->") {
            self.expect(number(hits), expected);
            return true;
        }
        match word.split_once('=') {
            Some(("limit", value)) => self.limit = number(value),
            Some(("burst", value)) => self.burst = number(value),
            Some(("duration", value)) => self.duration = millis(value),
            Some(("flags", value)) => {
                self.flags = value.split('|').fold(0, |all, flag| all | flag.parse::<i32>().expect("a flag"));
            }
            Some(("algorithm", value)) => self.algorithm = value.parse().expect("a number"),
            Some(("zone", value)) => self.calendar = Calendar::new(value).expect("a zone"),
            Some(("key", value)) => value.clone_into(&mut self.key),
            Some(("name", value)) => value.clone_into(&mut self.name),
            Some(("base", value)) => {
                self.base = number(value);
                self.now = self.base;
            }
            Some(_) => panic!("{}: what is {word}?", self.label),
            None if word == "token" => self.algorithm = 0,
            None if word == "leaky" => self.algorithm = 1,
            None => self.now += millis(word),
        }
        false
    }

    fn expect(&self, hits: i64, expected: &str) {
        let request = Request {
            name: &self.name,
            unique_key: &self.key,
            hits,
            limit: self.limit,
            duration: self.duration,
            algorithm: self.algorithm,
            behavior: Behavior::from_bits(self.flags),
            burst: self.burst,
        };
        let context =
            || format!("{} at base{:+}: {hits}->{expected} ({request:?})", self.label, self.now - self.base);
        let hit = match request.check(UnixMillis::new(self.now), &self.calendar) {
            Ok(hit) => hit,
            Err(error) => {
                assert_eq!(format!("\"{error}\"").replace(' ', "_"), expected, "{}", context());
                return;
            }
        };
        let verdict = self.table.hit(&hit);
        let (expected, retry) = expected.split_once('~').map_or((expected, None), |(a, b)| (a, Some(b)));
        let (expected, reset) = expected.split_once('@').map_or((expected, None), |(a, b)| (a, Some(b)));
        let status = match verdict.status {
            Status::UnderLimit => 'U',
            Status::OverLimit => 'O',
        };
        assert_eq!(format!("{status}/{}", verdict.remaining), expected, "{} got {verdict:?}", context());
        assert_eq!(verdict.limit, self.limit, "{}", context());
        if let Some(reset) = reset {
            let expected = match (reset.strip_prefix("T+"), reset.strip_prefix('=')) {
                (Some(after), _) => self.now.saturating_add(number(after)),
                (_, Some(absolute)) => number(absolute),
                _ => self.base.saturating_add(number(reset)),
            };
            assert_eq!(verdict.reset_time.get(), expected, "{}: reset_time", context());
        }
        if let Some(retry) = retry {
            let expected = (retry != "-").then(|| number(retry));
            assert_eq!(verdict.retry_after, expected, "{}: retry_after", context());
        }
    }
}

fn number(text: &str) -> i64 {
    match text {
        "MAX" => i64::MAX,
        "MIN" => i64::MIN,
        _ => text.replace(',', "").parse().unwrap_or_else(|_| panic!("a number, not {text}")),
    }
}

/// `1500`, `+1500`, `-3s`, `2m`, `1h`, `1d`.
fn millis(text: &str) -> i64 {
    [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
        .into_iter()
        .find_map(|(unit, factor)| Some(number(text.strip_suffix(unit)?) * factor))
        .unwrap_or_else(|| number(text))
}

/// Plays a whole table; how many cases and requests it had.
fn play(table: &str) -> (usize, usize) {
    let (mut cases, mut requests) = (0, 0);
    let mut case = Case::new("before the first case");
    for line in table.lines().filter(|line| !line.trim_start().starts_with('#')) {
        if let Some(label) = line.strip_prefix("case ") {
            case = Case::new(label);
            cases += 1;
            continue;
        }
        requests += line.split_whitespace().filter(|word| case.play(word)).count();
    }
    (cases, requests)
}

macro_rules! tables {
    ($($name:ident: $file:literal, $cases:literal cases;)*) => {$(
        #[test]
        fn $name() {
            let (cases, requests) = play(include_str!(concat!("golden/", $file)));
            println!("{}: {cases} cases, {requests} requests", $file);
            assert_eq!(cases, $cases, "a case was added or lost: say how many there are");
        }
    )*};
}

tables! {
    token_sequences_of_the_original: "token.txt", 18 cases;
    leaky_sequences_of_the_original: "leaky.txt", 14 cases;
    calendar_vectors: "calendar.txt", 13 cases;
    mended_token_rules: "mended_token.txt", 14 cases;
    mended_leaky_rules: "mended_leaky.txt", 26 cases;
    checked_requests: "checks.txt", 8 cases;
}
