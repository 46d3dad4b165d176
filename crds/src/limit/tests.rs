use serde_json::{Value, json};

use super::*;

/// Messages of the rules that a spec breaks; `with` goes over a spec that breaks none.
fn broken(with: Value) -> Vec<String> {
    let mut spec = json!({"clusterRef": {"name": "main"}, "limit": 5, "duration": "1m"});
    for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
        spec[name] = value;
    }
    let spec = spec.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    let spec: Value = spec.map(|(name, value)| (name.clone(), value.clone())).collect();
    let limit = RateLimit::new("checkout", serde_json::from_value(spec).unwrap());
    match limit.validate_cel() {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_vec().into_iter().map(|error| error.message).collect(),
    }
}

#[test]
fn accepts_what_is_right() {
    for with in [
        json!({}),
        json!({"limit": 0}),
        json!({"duration": null, "calendar": "Week"}),
        json!({"algorithm": "LeakyBucket", "burst": 10}),
        json!({"algorithm": "TokenBucket", "burst": 0}),
        json!({"duration": "1h30m"}),
        json!({"duration": "7d"}),
        json!({"duration": "1.5s"}),
        json!({"duration": "100ms"}),
        json!({"overrides": [{"key": "a", "limit": 0}, {"prefix": "b", "unlimited": true}]}),
    ] {
        assert_eq!(broken(with.clone()), [""; 0], "{with}");
    }
}

#[test]
fn refuses_the_rest_and_says_why() {
    for (with, message) in [
        (json!({"duration": null}), "exactly one of duration and calendar must be given"),
        (json!({"calendar": "Day"}), "exactly one of duration and calendar must be given"),
        (
            json!({"burst": 1}),
            "burst is for the LeakyBucket algorithm: leave it out, or set algorithm: LeakyBucket",
        ),
        (json!({"duration": "0s"}), "a limit's duration is a whole number of milliseconds, at least 1ms"),
        (json!({"duration": "500us"}), "a limit's duration is a whole number of milliseconds, at least 1ms"),
        (json!({"duration": "1ns"}), "a limit's duration is a whole number of milliseconds, at least 1ms"),
        (
            json!({"overrides": [{"key": "a", "prefix": "b", "limit": 1}]}),
            "exactly one of key and prefix must be given",
        ),
        (json!({"overrides": [{"limit": 1}]}), "exactly one of key and prefix must be given"),
        (json!({"overrides": [{"key": "a"}]}), "either limit or unlimited: true must be given"),
        (
            json!({"overrides": [{"key": "a", "limit": 1, "unlimited": true}]}),
            "either limit or unlimited: true must be given",
        ),
    ] {
        assert_eq!(broken(with.clone()), [message], "{with}");
    }
}
