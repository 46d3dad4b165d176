use super::*;

fn nanos(text: &str) -> u128 {
    text.parse::<GoDuration>().unwrap().get().as_nanos()
}

#[test]
fn reads_what_go_reads_and_days() {
    for (text, expected) in [
        ("0", 0),
        ("0s", 0),
        ("1ns", 1),
        ("500us", 500_000),
        ("500µs", 500_000),
        ("1.5ms", 1_500_000),
        (".5s", 500_000_000),
        ("5.s", 5_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1h0m0.000000001s", 3_600_000_000_001),
        ("7d", 604_800_000_000_000),
        ("0.9ns", 0),
    ] {
        assert_eq!(nanos(text), expected, "{text}");
    }
}

#[test]
fn refuses_the_rest_and_says_why() {
    for (text, part) in [
        ("", "is not a duration"),
        ("s", "is not a duration"),
        (".", "is not a duration"),
        ("1m .5s", "has the unit \"m \""),
        ("10", "without a unit"),
        ("1h30", "without a unit"),
        ("5 s", "has the unit \" s\""),
        ("5w", "has the unit \"w\""),
        ("1M", "has the unit \"M\""),
        ("-5s", "is negative"),
        ("NaN", "is not a duration"),
        ("12345678901s", "is too large"),
        ("1.0000000001s", "is too large"),
        ("1h1h1h1h1h1h1h1h1h1h1h1h1h1h1h1h1h", "is too large"),
    ] {
        let error = text.parse::<GoDuration>().unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(!error.contains(&"1h".repeat(17)), "the message quotes at most {MAX_LEN} characters");
    }
}

#[test]
fn the_pattern_and_the_parser_agree() {
    let pattern = regex::Regex::new(PATTERN).unwrap();
    let parts = ["", "0", "1", "-", ".", "9999999999", "12345678901", "s", "us", "d", "h", "x", " ", "µs"];
    for a in parts {
        for b in parts {
            for c in parts {
                for d in parts {
                    let text = format!("{a}{b}{c}{d}");
                    let accepted = text.chars().count() <= MAX_LEN && pattern.is_match(&text);
                    assert_eq!(text.parse::<GoDuration>().is_ok(), accepted, "{text:?}");
                }
            }
        }
    }
}

#[test]
fn the_largest_text_fits_in_milliseconds() {
    let largest = "9999999999d9999999999d99999999d";
    assert!(largest.parse::<GoDuration>().unwrap().exact_millis().is_some());
}

#[test]
fn renders_what_it_reads_back() {
    for text in ["0s", "1ns", "500us", "1ms", "10m", "1h30m", "168h", "1h1m1s1ms1us1ns"] {
        assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), text);
    }
    assert_eq!("90s".parse::<GoDuration>().unwrap().to_string(), "1m30s");
    assert_eq!("7d".parse::<GoDuration>().unwrap().to_string(), "168h");
}

#[test]
fn whole_milliseconds_only_when_exact() {
    assert_eq!("1.5s".parse::<GoDuration>().unwrap().exact_millis(), Some(1500));
    assert_eq!("500us".parse::<GoDuration>().unwrap().exact_millis(), None);
    assert_eq!("1500us".parse::<GoDuration>().unwrap().as_millis(), 1);
}
