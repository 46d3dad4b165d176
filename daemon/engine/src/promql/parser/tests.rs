//! How far queries reach, worked out by hand.

use proptest::prelude::*;

use super::*;

const START: i64 = 1_700_000_000_000;
const END: i64 = START + 3_600_000;
const SPAN: Span = Span { start: UnixMillis::new(START), end: UnixMillis::new(END) };
const MINUTE: i64 = 60_000;

/// Milliseconds before the query's start.
fn back(query: &str) -> Option<i64> {
    let earliest = earliest(query, SPAN).unwrap_or_else(|error| panic!("{query}: {error}"));
    earliest.map(|earliest| START - earliest.get())
}

#[test]
fn queries_reach_as_far_back_as_they_say() {
    let at = format!("up @ {}", START / 1_000 - 60);
    let cases = [
        ("up", 5),
        ("{__name__=\"up\", job=~'a|b',}", 5),
        ("{\"my.metric\", a!=\"}\"}", 5),
        ("job:up:sum", 5),
        ("up offset 3h", 185),
        ("up offset -3m", 2),
        ("rate(up[5m])", 5),
        ("rate(up[1h30m])", 90),
        ("rate(up[300])", 5),
        ("rate(up[1h] offset 1h)", 120),
        ("max_over_time(up[3m:30s])", 8),
        ("max_over_time(up[3m:])", 8),
        ("max_over_time(rate(up[5m])[3m:30s])", 8),
        ("max_over_time(rate(up[5m])[3m:30s] offset 1h)", 68),
        ("max_over_time((up offset 10m)[3m:1m])", 18),
        ("max_over_time(max_over_time(up[3m:1m])[7m:1m])", 15),
        (&at, 6),
        ("up @ start()", 5),
        ("up @ end() offset 1h", 5),
        ("rate(up[5m] @ end())", -55),
        ("max_over_time(up[10m:] @ end())", -45),
        // What is fixed within does not move with the subquery.
        ("max_over_time((up @ start())[10m:])", 5),
        ("sum by (job) (rate(up[9m])) / on(job) group_left(x) sum(up)", 9),
        ("sum(rate(up[9m])) by (job) > bool 3", 9),
        ("up * on() group_left() (down offset 7m)", 12),
        ("up * ignoring(a) group_left () max_over_time(down[8m:1m])", 13),
        ("up unless down offset 1m or rate(x[2m]) ^ 2", 6),
        ("-up + +Inf # comment\n - 0x1F + 1.5e-3", 5),
        ("histogram_quantile(0.9, sum(rate(b_bucket{le!='x'}[6m])) without (pod))", 6),
        ("label_replace(up, \"a\", '$1)', `b\\`, \"(\\\".*)\")", 5),
        ("sum(up) + offset", 5),
    ];
    for (query, minutes) in cases {
        assert_eq!(back(query), Some(minutes * MINUTE), "{query}");
    }
    for nothing in ["1+1", "time()", "vector(1)", "\"text\"", "NaN"] {
        assert_eq!(back(nothing), None, "{nothing}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let cases = [
        ("", "no expression found in input"),
        (" # only a comment", "no expression found in input"),
        ("up[", "unexpected end of input in the query, expected a duration"),
        ("up[5x]", "not a valid duration in the query: \"5x\""),
        ("up[1m1h]", "not a valid duration in the query: \"1m1h\""),
        ("rate(up[5m]", "expected \",\" or \")\""),
        ("up up", "unexpected \"up\" in the query"),
        ("up{a=b}", "unexpected \"b\" in the query, expected a string"),
        ("(up)[5m]", "only a selector has a range"),
        ("up @ x", "expected a timestamp"),
        ("up{a=\"b", "unterminated quoted string"),
        ("up ? 1", "unexpected character '?'"),
        ("sum(", "expected an expression"),
        ("1 +", "expected an expression"),
    ];
    for (query, part) in cases {
        let text = earliest(query, SPAN).unwrap_err().to_string();
        assert!(text.contains(part), "{query}: {text}");
    }
    let deep = "(".repeat(10_000);
    assert_eq!(earliest(&deep, SPAN), Err(PromqlError::TooDeep));
    let long = "a".repeat(MAX_QUERY_BYTES + 1);
    assert_eq!(earliest(&long, SPAN), Err(PromqlError::TooLong(MAX_QUERY_BYTES + 1)));
}

proptest! {
    #[test]
    fn no_text_does_harm(query in "\\PC{0,80}") {
        let _ = earliest(&query, SPAN);
    }

    #[test]
    fn no_words_do_harm(words in prop::collection::vec(prop::sample::select(vec![
        "up", "sum", "by", "(", ")", "[", "]", "5m", ":", "{", "}", "=", "\"a\"", "offset", "@", "-", "start", ",",
        "on", "group_left", "1e9", "99999999999999999999", "or", "9y",
    ]), 0..40)) {
        let _ = earliest(&words.join(" "), SPAN);
    }
}
