use serde_json::{Value, json};

use super::*;

fn minimal() -> Value {
    json!({
        "clusterRef": {"name": "main"},
        "listener": {"port": 8080},
        "upstream": {"url": "http://search:80"},
        "window": {"min": 10, "max": 200},
        "signals": [{"name": "errors", "query": "up", "warning": "0.5", "emergency": 1}],
        "prometheus": {"url": "http://prometheus:9090"},
    })
}

/// Messages of the rules that a spec breaks; `with` goes over a spec that breaks none, and null
/// takes a field away.
fn broken(with: Value) -> Vec<String> {
    let mut spec = minimal();
    for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
        spec[name] = value;
    }
    spec.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let policy = BackpressurePolicy::new("search", serde_json::from_value(spec).unwrap());
    match policy.validate_cel() {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_vec().into_iter().map(|error| error.message).collect(),
    }
}

fn signal(with: Value) -> Value {
    let mut signal = json!({"name": "errors", "query": "up", "warning": "0.5", "emergency": 1});
    for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
        signal[name] = value;
    }
    signal.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json!({"signals": [signal]})
}

#[test]
fn accepts_what_is_right() {
    for with in [
        json!({}),
        json!({"algorithm": {"type": "Fixed"}, "signals": [], "prometheus": null}),
        json!({"algorithm": {"type": "Vegas"}}),
        json!({"algorithm": {"type": "SignalAIMD"}, "signals": [{"name": "a", "query": "up == 0"}]}),
        json!({"upstream": {"service": {"name": "search", "port": 80}}}),
        json!({"listener": {"port": 1, "tls": {"mode": "SecretRef", "secretRef": {"name": "x"}}}}),
        json!({"rateLimits": [{"name": "a", "key": [{"header": "X-Account"}, {"clientAddress": true}]}]}),
        json!({"criticality": {"enabled": true, "shares": {"SHEDDABLE": 50, "SHEDDABLE_PLUS": 80}}}),
        signal(json!({"warning": 9, "emergency": "10.5", "curve": "0.5"})),
        signal(json!({"query": "'a' or up"})),
        json!({"routes": [{"name": "a", "window": {"min": 1, "max": 2}}, {}, {"name": "b"}, {}]}),
        json!({"jitter": {"when": "Always", "max": "10ms"}}),
        json!({"upstream": {"url": "https://a", "tls": {"caSecretRef": {"name": "ca", "key": "ca.crt"}}}}),
    ] {
        assert_eq!(broken(with.clone()), [""; 0], "{with}");
    }
}

#[test]
fn prometheus_is_asked_ten_times_a_second_at_most() {
    // As it is written, and not as we would write it.
    let of = |interval: &str| {
        let (mut spec, prometheus) = (minimal(), json!({"url": "http://p", "interval": interval}));
        spec["prometheus"] = prometheus;
        let text = json!({
            "apiVersion": "wicketgate.dev/v1alpha1", "kind": "BackpressurePolicy", "metadata": {"name": "a"},
            "spec": spec,
        });
        let found = crate::manifest::read([("f", &text.to_string())]);
        found.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for fine in ["100ms", "0.1s", ".1s", "100000us", "50ms50ms", "1.s", "1.5h", "1m30s", "1d"] {
        assert_eq!(of(fine), "", "{fine}");
    }
    for short in ["99ms", "0.099s", ".05s", "99999us", "0", "0s", "0h", "1ms", "50ms49ms"] {
        let problem = of(short);
        assert!(problem.contains("interval is too short: at least 100ms"), "{short}: {problem}");
    }
    // What the rule passes over is checked all the same.
    for (passed, why) in [
        ("1000µs", "1ms is too short: at least 100ms"),
        ("1000000ns", "1ms is too short: at least 100ms"),
        ("0.0000001d", "8ms640us is too short: at least 100ms"),
        ("9999999999h", "is too long: at most a year"),
    ] {
        let problem = of(passed);
        assert!(problem.contains(why), "{passed}: {problem}");
    }
}

#[test]
fn refuses_the_rest_and_says_why() {
    let both = "warning and emergency must be given both or neither";
    let one = "exactly one of service and url must be given";
    let needs = "must provide at least one backpressure query when backpressure is enabled: the algorithms SignalCap and SignalAIMD need signals";
    let order = "emergency threshold must be > warn threshold: raise emergency, or lower warning";
    let quotes = "backpressure PromQL cannot be wrapped in quotes: take the outer pair away";
    let negative = "backpressure query thresholds cannot be negative: warning and emergency are 0 or more";
    let delay = "delay must be non-empty when jitter is enabled: with when: Always, max is more than 0s";
    let https = "tls is for an upstream whose url begins with https://";
    let ca = json!({"caSecretRef": {"name": "ca", "key": "ca.crt"}});
    let part = "either header or clientAddress: true must be given";
    for (with, message) in [
        (json!({"prometheus": null}), "signals need prometheus, the server that answers their queries"),
        (json!({"signals": []}), needs),
        (json!({"algorithm": {"type": "SignalAIMD"}, "signals": []}), needs),
        (
            json!({"signals": [{"name": "a", "query": "up"}]}),
            "the algorithm SignalCap needs warning and emergency of every signal",
        ),
        (
            json!({"algorithm": {"type": "SignalAIMD"}, "signals": [{"name": "a", "query": "up", "warning": 1}]}),
            both,
        ),
        (signal(json!({"emergency": null})), both),
        (signal(json!({"warning": 1, "emergency": "1.0"})), order),
        (signal(json!({"warning": 10, "emergency": 9})), order),
        (signal(json!({"warning": "-0.5"})), negative),
        (signal(json!({"curve": -1})), "throttle curve cannot be negative: curve is 0 or more"),
        (signal(json!({"query": "\"up\""})), quotes),
        (signal(json!({"query": "'up'"})), quotes),
        (signal(json!({"query": " "})), "empty backpressure query: write the question in PromQL"),
        (
            json!({"window": {"min": 3, "max": 2}}),
            "backpressure max window <= min window: max must not be less than min",
        ),
        (json!({"window": {"min": 0, "max": 2}}), "backpressure min window < 1: min is 1 or more"),
        (json!({"jitter": {"when": "Always"}}), delay),
        (json!({"jitter": {"when": "Always", "max": "0h0ms"}}), delay),
        (json!({"upstream": {"url": "http://a", "tls": ca}}), https),
        (json!({"upstream": {"service": {"name": "a", "port": 1}, "tls": ca}}), https),
        (
            json!({"routes": [{"action": "Deny", "window": {"min": 1, "max": 2}}]}),
            "window is for the action Protect: what passes through or is denied asks no window",
        ),
        (
            json!({"routes": [{"name": "a"}, {}, {"name": "a"}]}),
            "no two routes may have the same name: metrics tell them apart by it",
        ),
        (json!({"upstream": {}}), one),
        (json!({"upstream": {"url": "http://a", "service": {"name": "a", "port": 1}}}), one),
        (json!({"rateLimits": [{"name": "a", "key": [{}]}]}), part),
        (json!({"rateLimits": [{"name": "a", "key": [{"header": "A", "clientAddress": true}]}]}), part),
        (
            json!({"listener": {"port": 1, "tls": {"mode": "SecretRef"}}}),
            "secretRef is needed with mode SecretRef, and only then",
        ),
        (
            json!({"prometheus": {"url": "http://p", "auth": {
                "bearerTokenSecretRef": {"name": "a", "key": "b"}, "basicAuthSecretRef": {"name": "c"},
            }}}),
            "at most one of bearerTokenSecretRef and basicAuthSecretRef may be given",
        ),
    ] {
        assert_eq!(broken(with.clone()), [message], "{with}");
    }
}

#[test]
fn decimals_are_kept_as_strings() {
    let spec: BackpressurePolicySpec = serde_json::from_value(minimal()).unwrap();
    let signal = serde_json::to_value(&spec.signals[0]).unwrap();
    assert_eq!(signal["warning"], "0.5");
    assert_eq!(signal["emergency"], "1");
    assert_eq!(signal["curve"], "4");
}
