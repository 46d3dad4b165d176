//! What of a policy its schema cannot say. Pure, and the same wherever a policy is folded.

use std::collections::BTreeSet;

use http::{HeaderName, HeaderValue, Uri, uri::Authority};
use regex::bytes::RegexBuilder;

use super::{BackpressurePolicySpec, HeaderMatchType, Prometheus, Route, Window};
use crate::{credentials, duration::GoDuration, reference::TlsMode};

/// The most memory that one compiled expression may take, in bytes: as much as the daemons allow it.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// The most expressions of one policy. Each is compiled on every pod, and here, whenever the policy
/// changes.
const MAX_EXPRESSIONS: usize = 128;
/// The longest time that means anything: what is longer is as good as for ever, and clocks overflow.
const LONGEST: GoDuration = GoDuration::from_secs(365 * 24 * 60 * 60);
/// The shortest time between two questions to Prometheus: each pod of each policy asks so often.
const SHORTEST_INTERVAL: GoDuration = GoDuration::from_millis(100);
/// The most of a value that a message repeats.
const SHOWN: usize = 64;

impl BackpressurePolicySpec {
    /// Checks what the schema leaves open, for a policy in `namespace`.
    ///
    /// # Errors
    /// With the first thing that is wrong: the field, its value, and the way out.
    pub fn check(&self, namespace: &str) -> Result<(), String> {
        if self.listener.tls.mode == TlsMode::Managed {
            return Err("spec.listener.tls.mode: Managed is not in this version: use SecretRef with a Secret of type kubernetes.io/tls, or Disabled".to_owned());
        }
        if let Some(url) = &self.upstream.url {
            address(url).map_err(|fault| format!("spec.upstream.url: {fault}"))?;
        }
        window("spec.window", &self.window)?;
        routes(&self.routes)?;
        self.check_expressions()?;
        if let Some(prometheus) = &self.prometheus {
            check_prometheus(prometheus)?;
        }
        for (field, duration) in [
            ("jitter.max", self.jitter.max),
            ("jitter.maxCanWait", self.jitter.max_can_wait),
            ("promqlBypass.horizon", self.promql_bypass.horizon),
            ("timeouts.request", self.timeouts.request),
            ("timeouts.connect", self.timeouts.connect),
            ("timeouts.idle", self.timeouts.idle),
        ] {
            at_most(field, duration)?;
        }
        let long = credentials::needed(self, namespace).into_iter().find(|key| key.entry().is_none());
        match long {
            Some(key) => Err(format!(
                "spec: {key}: the namespace and both names have more than 251 characters together: use shorter ones"
            )),
            None => Ok(()),
        }
    }

    /// Checks that every regular expression is one, and that there are not too many.
    fn check_expressions(&self) -> Result<(), String> {
        let blocks = self
            .block
            .iter()
            .enumerate()
            .map(|(index, block)| (format!("spec.block[{index}].pattern"), block.pattern.as_str()));
        let routes = self.routes.iter().enumerate().flat_map(|(route, of)| {
            let headers = of.match_.headers.iter().enumerate();
            headers.filter(|(_, header)| header.type_ == HeaderMatchType::RegularExpression).map(
                move |(index, header)| {
                    (format!("spec.routes[{route}].match.headers[{index}].value"), header.value.as_str())
                },
            )
        });
        let expressions: Vec<(String, &str)> = blocks.chain(routes).collect();
        if expressions.len() > MAX_EXPRESSIONS {
            return Err(format!(
                "spec: block and routes have {} regular expressions: at most {MAX_EXPRESSIONS}; several of one header may be joined by |",
                expressions.len()
            ));
        }
        for (field, pattern) in expressions {
            expression(pattern).map_err(|fault| format!("{field}: {:?}: {fault}", shown(pattern)))?;
        }
        Ok(())
    }
}

fn expression(pattern: &str) -> Result<(), String> {
    // By itself, and as pods anchor it.
    let compile = |pattern: &str| RegexBuilder::new(pattern).size_limit(MAX_COMPILED_BYTES).build();
    let compiled = compile(pattern).and_then(|_| compile(&format!("^(?:{pattern})$")));
    compiled.map(drop).map_err(|error| {
        // The lines before the last one draw where it is.
        let text = error.to_string();
        let last = text.lines().next_back().unwrap_or_default().trim();
        format!("not a regular expression that pods take: {}", last.trim_start_matches("error: "))
    })
}

fn window(field: &str, window: &Window) -> Result<(), String> {
    if window.min < 1 {
        return Err(format!("{field}.min: backpressure min window < 1: {} is too small", window.min));
    }
    if window.min > window.max {
        return Err(format!(
            "{field}.max: backpressure max window <= min window: {} is less than min, {}",
            window.max, window.min
        ));
    }
    Ok(())
}

fn routes(routes: &[Route]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for (index, route) in routes.iter().enumerate() {
        let name = route.name.clone().unwrap_or_else(|| index.to_string());
        if !names.insert(name.clone()) {
            return Err(format!(
                "spec.routes[{index}].name: another route is called {name:?} too: a route without a name has its place in the list for one"
            ));
        }
        if let Some(own) = &route.window {
            window(&format!("spec.routes[{index}].window"), own)?;
        }
    }
    Ok(())
}

fn check_prometheus(prometheus: &Prometheus) -> Result<(), String> {
    address(&prometheus.url)
        .map_err(|fault| format!("spec.prometheus.url: invalid monitoring URL: {fault}"))?;
    for (field, duration, least) in [
        ("prometheus.interval", prometheus.interval, SHORTEST_INTERVAL),
        ("prometheus.timeout", prometheus.timeout, GoDuration::from_millis(1)),
        ("prometheus.maxStaleness", prometheus.max_staleness, GoDuration::from_millis(1)),
    ] {
        if duration < least {
            return Err(format!("spec.{field}: {duration} is too short: at least {least}"));
        }
        at_most(field, duration)?;
    }
    for (name, value) in &prometheus.headers {
        // What a header says may be a secret.
        let fault = match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            (Err(_), _) => "is no name of a header",
            (_, Err(_)) => "has a value that no header may have: visible ASCII, spaces and tabs alone",
            _ => continue,
        };
        return Err(format!("spec.prometheus.headers: {:?} {fault}", shown(name)));
    }
    Ok(())
}

fn at_most(field: &str, duration: GoDuration) -> Result<(), String> {
    if duration <= LONGEST {
        return Ok(());
    }
    Err(format!("spec.{field}: {duration} is too long: at most a year, 8760h"))
}

/// Whether an address can be spoken to. What stands before an @ is a secret, and is not repeated.
fn address(url: &str) -> Result<(), String> {
    let userinfo = url.split(['/', '?', '#']).nth(2).is_some_and(|authority| authority.contains('@'));
    if userinfo {
        return Err("an address has no name and password in it: they belong into a Secret".to_owned());
    }
    let uri: Uri = url.parse().map_err(|error| format!("{:?}: {error}", shown(url)))?;
    let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
    if uri.host().unwrap_or_default().is_empty() || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("{:?}: write it as http://host:port or https://host:port", shown(url)));
    }
    // A port that is no number of a port is taken for none.
    let after_host = authority.rsplit(']').next().unwrap_or_default();
    if after_host.contains(':') && uri.port_u16().is_none_or(|port| port == 0) {
        return Err(format!("{:?}: its port must be from 1 to 65535", shown(url)));
    }
    Ok(())
}

fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fault(with: Value) -> String {
        let mut spec = json!({
            "clusterRef": {"name": "main"},
            "listener": {"port": 8080},
            "upstream": {"url": "http://a"},
            "window": {"min": 1, "max": 2},
        });
        for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
            spec[name] = value;
        }
        let spec: BackpressurePolicySpec = serde_json::from_value(spec).unwrap();
        spec.check("shop").err().unwrap_or_default()
    }

    fn header(value: &str) -> Value {
        let header = json!({"name": "X-Tier", "type": "RegularExpression", "value": value});
        json!({"routes": [{"match": {"headers": [header]}}]})
    }

    fn prometheus(with: Value) -> Value {
        let mut prometheus = json!({"url": "http://p:9090"});
        for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
            prometheus[name] = value;
        }
        json!({"prometheus": prometheus})
    }

    #[test]
    fn what_is_right_passes() {
        for with in [
            json!({}),
            header("gold|silver"),
            json!({"block": [{"header": "a", "pattern": "^x[0-9]+$"}]}),
            json!({"upstream": {"url": "https://[::1]:8443/base"}}),
            json!({"routes": [{}, {}, {"name": "api"}]}),
            prometheus(json!({"headers": {"X-Scope-OrgID": "a b"}, "interval": "100ms"})),
        ] {
            assert_eq!(fault(with.clone()), "", "{with}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many: Vec<_> = (0..129).map(|_| json!({"header": "a", "pattern": "b"})).collect();
        let secret =
            |name: String, key: &str| json!({"auth": {"bearerTokenSecretRef": {"name": name, "key": key}}});
        let mut long = prometheus(secret("n".repeat(200), &"k".repeat(60)));
        long["signals"] = json!([{"name": "a", "query": "up"}]);
        for (with, message) in [
            (
                json!({"listener": {"port": 1, "tls": {"mode": "Managed"}}}),
                "spec.listener.tls.mode: Managed is not in this version: use SecretRef",
            ),
            (
                json!({"block": [{"header": "a", "pattern": "("}]}),
                "spec.block[0].pattern: \"(\": not a regular expression that pods take: unclosed group",
            ),
            (json!({"block": [{"header": "a", "pattern": "(a{1000}){1000}"}]}), "exceeds size limit"),
            (json!({"block": many}), "spec: block and routes have 129 regular expressions: at most 128"),
            (header("["), "spec.routes[0].match.headers[0].value: \"[\": not a regular expression"),
            (
                json!({"routes": [{"name": "1"}, {}]}),
                "spec.routes[1].name: another route is called \"1\" too",
            ),
            (json!({"upstream": {"url": "http://a:99999"}}), "spec.upstream.url: \"http://a:99999\": "),
            (
                json!({"upstream": {"url": "http://me:hidden@a"}}),
                "spec.upstream.url: an address has no name and password",
            ),
            (
                json!({"window": {"min": 3, "max": 2}}),
                "spec.window.max: backpressure max window <= min window",
            ),
            (
                prometheus(json!({"url": "http://a b"})),
                "spec.prometheus.url: invalid monitoring URL: \"http://a b\": ",
            ),
            (
                prometheus(json!({"interval": "99.9ms"})),
                "spec.prometheus.interval: 99ms900us is too short: at least 100ms",
            ),
            (
                prometheus(json!({"interval": "0.0000001d"})),
                "spec.prometheus.interval: 8ms640us is too short: at least 100ms",
            ),
            (prometheus(json!({"timeout": "999us"})), "spec.prometheus.timeout: 999us is too short"),
            (prometheus(json!({"maxStaleness": "400d"})), "spec.prometheus.maxStaleness: 9600h is too long"),
            (prometheus(json!({"headers": {"a b": "c"}})), "spec.prometheus.headers: \"a b\" is no name"),
            (
                prometheus(json!({"headers": {"a": "hidden\n"}})),
                "spec.prometheus.headers: \"a\" has a value that no header may have",
            ),
            (long, "together: use shorter ones"),
        ] {
            let fault = fault(with.clone());
            assert!(fault.contains(message) && !fault.contains("hidden"), "{with}: {fault}");
        }
    }
}
