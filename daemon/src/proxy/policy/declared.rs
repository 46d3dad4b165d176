//! From a BackpressurePolicy, as the document has it, to what the proxy runs.

use std::time::Duration;

use crds::backpressure as declared;
use crds::credentials::{CERTIFICATE, PASSWORD, PRIVATE_KEY, SecretKey, USERNAME};
use crds::document::{DaemonDocument, PolicyEntry};
use crds::duration::GoDuration;
use crds::reference::{ObjectName, SecretKeyRef, TlsMode};
use engine::aimd::{
    AimdSettings, Algorithm, Bounds, Gradient2Settings, Growth, OnSignalLoss, Settings, Shares,
    SignalSettings, Thresholds, VegasSettings, check_query,
};
use engine::block::BlockRules;
use engine::jitter::Jitter;
use http::{HeaderName, Method};
use regex::bytes::RegexBuilder;

use super::{
    Auth, Balance, KeyPart, LimitCheck, Listener, ListenerTls, Policy, PolicyError, Prometheus, Protocol,
    SignalPlan, Target, Timeouts, Upstream, UpstreamTls, Voice, WindowPlan,
};
use crate::proxy::route::{Action, HeaderRule, PathRule, Route, Routes, ValueRule};
use crate::proxy::url::{ServerUrl, UrlError};

/// The largest regular expression, compiled.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Checks a policy of the document.
///
/// # Errors
/// [`PolicyError`] for the first field without a meaning. The operator refuses such a policy before it is
/// in a document, so one that comes here was made by another version or by hand.
pub fn policy(entry: &PolicyEntry) -> Result<Policy, PolicyError> {
    let PolicyEntry { source, spec } = entry;
    let (windows, routes) = windows_and_routes(spec)?;
    Ok(Policy {
        listener: listener(source, &spec.listener)?,
        upstream: upstream(source, spec)?,
        windows,
        routes,
        signals: signals(source, spec)?,
        limits: limits(spec)?,
        criticality: match spec.criticality.enabled {
            true => Some(header("spec.criticality.header", &spec.criticality.header)?),
            false => None,
        },
        jitter: Jitter {
            max: spec.jitter.max.get(),
            only_when_throttled: spec.jitter.when == declared::JitterWhen::Throttled,
            max_can_wait: spec.jitter.max_can_wait.get(),
        },
        block: block(spec)?,
        promql_horizon: spec
            .promql_bypass
            .enabled
            .then(|| i64::try_from(spec.promql_bypass.horizon.get().as_millis()).unwrap_or(i64::MAX)),
        timeouts: Timeouts {
            request: bound(spec.timeouts.request),
            pass_through: bound(spec.timeouts.request),
            idle: bound(spec.timeouts.idle),
            stall: bound(spec.timeouts.idle),
        },
        max_body: u64::try_from(spec.max_request_body_bytes).ok().filter(|&bytes| bytes > 0),
        voice: Voice::Declared,
        source: source.clone(),
    })
}

/// Those policies of a document that can be run, and why the others cannot. One that makes no sense to this
/// version holds up no other team's.
pub fn policies(document: &DaemonDocument) -> (Vec<Policy>, Vec<(ObjectName, String)>) {
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for entry in &document.backpressure_policies {
        match policy(entry) {
            Ok(policy) => good.push(policy),
            Err(error) => refused.push((entry.source.clone(), error.to_string())),
        }
    }
    (good, refused)
}

#[allow(clippy::needless_pass_by_value, reason = "what is wrong is given away")]
fn error(field: impl Into<String>, fault: impl ToString) -> PolicyError {
    PolicyError { field: field.into(), fault: fault.to_string() }
}

/// 0 is no bound.
fn bound(duration: GoDuration) -> Option<Duration> {
    Some(duration.get()).filter(|duration| !duration.is_zero())
}

fn header(field: &str, name: &str) -> Result<HeaderName, PolicyError> {
    name.parse().map_err(|_| error(field, format!("{name:?} is not the name of a header")))
}

fn key(source: &ObjectName, reference: &SecretKeyRef) -> SecretKey {
    secret(source, &reference.name, &reference.key)
}

fn secret(source: &ObjectName, name: &str, key: &str) -> SecretKey {
    SecretKey { namespace: source.namespace.clone(), name: name.to_owned(), key: key.to_owned() }
}

fn listener(source: &ObjectName, listener: &declared::Listener) -> Result<Listener, PolicyError> {
    let field = "spec.listener.tls";
    let tls = match (listener.tls.mode, &listener.tls.secret_ref) {
        (TlsMode::Disabled, _) => None,
        (TlsMode::SecretRef, Some(reference)) => Some(ListenerTls {
            certificate: secret(source, &reference.name, CERTIFICATE),
            key: secret(source, &reference.name, PRIVATE_KEY),
        }),
        (TlsMode::SecretRef, None) => return Err(error(field, "mode SecretRef needs secretRef")),
        (TlsMode::Managed, _) => {
            return Err(error(field, "mode Managed is not in this version; use SecretRef with a Secret"));
        }
    };
    let port = u16::try_from(listener.port).ok().filter(|&port| port > 0);
    let Some(port) = port else {
        return Err(error("spec.listener.port", format!("{} is no port", listener.port)));
    };
    Ok(Listener { host: None, port, tls })
}

fn upstream(source: &ObjectName, spec: &declared::BackpressurePolicySpec) -> Result<Upstream, PolicyError> {
    let upstream = &spec.upstream;
    let ca = upstream.tls.ca_secret_ref.as_ref().map(|reference| key(source, reference));
    let target = match (&upstream.url, &upstream.service) {
        (Some(url), None) => url_target(url, ca).map_err(|fault| error("spec.upstream.url", fault))?,
        (None, Some(service)) => Target::Service {
            service: ObjectName { namespace: source.namespace.clone(), name: service.name.clone() },
            port: u16::try_from(service.port)
                .map_err(|_| error("spec.upstream.service.port", format!("{} is no port", service.port)))?,
        },
        _ => return Err(error("spec.upstream", "exactly one of service and url must be given")),
    };
    Ok(Upstream {
        target,
        balance: match upstream.load_balancing {
            declared::LoadBalancing::RoundRobin => Balance::RoundRobin,
            declared::LoadBalancing::LeastInFlight => Balance::LeastInFlight,
        },
        protocol: match upstream.protocol {
            declared::UpstreamProtocol::Auto => Protocol::Auto,
            declared::UpstreamProtocol::HTTP1 => Protocol::Http1,
            declared::UpstreamProtocol::HTTP2 => Protocol::Http2,
        },
        max_connections: usize::try_from(upstream.max_connections).unwrap_or(1).max(1),
        connect_timeout: bound(spec.timeouts.connect),
        idle_timeout: bound(spec.timeouts.idle),
    })
}

/// A URL's parts, or what is wrong with it.
///
/// # Errors
/// Where it is not `http` or `https` with a host and at most a path.
pub fn url_target(url: &str, ca: Option<SecretKey>) -> Result<Target, String> {
    let url = ServerUrl::parse(url).map_err(|fault| match fault {
        UrlError::Syntax(fault) => format!("{url:?} is no URL: {fault}"),
        UrlError::Scheme(_) => {
            format!("invalid scheme for upstream URL {url:?}, only 'http' and 'https' are supported")
        }
        UrlError::Host => format!("{url:?} names no host"),
        UrlError::Port => format!("{url:?} has a port that is not a number from 0 to 65535"),
    })?;
    Ok(Target::Url {
        port: url.port.unwrap_or(if url.tls { 443 } else { 80 }),
        tls: url.tls.then_some(UpstreamTls { ca }),
        host: url.host.trim_matches(['[', ']']).to_owned(),
        base_path: url.path,
    })
}

fn windows_and_routes(
    spec: &declared::BackpressurePolicySpec,
) -> Result<(Vec<WindowPlan>, Routes), PolicyError> {
    let mut windows = vec![window("spec.window", &spec.window, spec)?];
    let mut routes = Vec::with_capacity(spec.routes.len());
    for (index, declared) in spec.routes.iter().enumerate() {
        let at = |field: &str| format!("spec.routes[{index}].{field}");
        let action = match (declared.action, &declared.window) {
            (declared::RouteAction::Protect, None) => Action::Protect(0),
            (declared::RouteAction::Protect, Some(own)) => {
                windows.push(window(&at("window"), own, spec)?);
                Action::Protect(windows.len() - 1)
            }
            (declared::RouteAction::PassThrough, _) => Action::PassThrough,
            (declared::RouteAction::Deny, _) => Action::Deny,
        };
        let headers = declared.match_.headers.iter().enumerate();
        let headers = headers
            .map(|(nth, rule)| header_rule(&at(&format!("match.headers[{nth}]")), rule))
            .collect::<Result<_, _>>()?;
        routes.push(Route {
            name: declared.name.clone().unwrap_or_else(|| index.to_string()).into(),
            path: declared.match_.path.as_ref().map(|path| match path.type_ {
                declared::PathMatchType::Exact => PathRule::Exact(path.value.clone()),
                declared::PathMatchType::Prefix => PathRule::Prefix(path.value.clone()),
            }),
            methods: declared.match_.methods.iter().map(method).collect(),
            headers,
            action,
        });
    }
    Ok((windows, Routes::new(routes)))
}

fn header_rule(field: &str, rule: &declared::HeaderMatch) -> Result<HeaderRule, PolicyError> {
    let name = header(&format!("{field}.name"), &rule.name)?;
    let value = match rule.type_ {
        declared::HeaderMatchType::Exact => ValueRule::Exact(rule.value.as_bytes().to_vec()),
        declared::HeaderMatchType::RegularExpression => {
            let whole = format!("^(?:{})$", rule.value);
            let regex = RegexBuilder::new(&whole).size_limit(MAX_REGEX_BYTES).build();
            ValueRule::Matches(regex.map_err(|fault| error(format!("{field}.value"), fault))?)
        }
    };
    Ok(HeaderRule { name, value })
}

const fn method(method: &declared::HttpMethod) -> Method {
    match method {
        declared::HttpMethod::Connect => Method::CONNECT,
        declared::HttpMethod::Delete => Method::DELETE,
        declared::HttpMethod::Get => Method::GET,
        declared::HttpMethod::Head => Method::HEAD,
        declared::HttpMethod::Options => Method::OPTIONS,
        declared::HttpMethod::Patch => Method::PATCH,
        declared::HttpMethod::Post => Method::POST,
        declared::HttpMethod::Put => Method::PUT,
        declared::HttpMethod::Trace => Method::TRACE,
    }
}

fn window(
    field: &str,
    window: &declared::Window,
    spec: &declared::BackpressurePolicySpec,
) -> Result<WindowPlan, PolicyError> {
    use declared::WindowAlgorithmType as Type;
    let bounds = Bounds::new(window.min.into(), window.max.into()).map_err(|fault| error(field, fault))?;
    let algorithm = match spec.algorithm.type_ {
        Type::SignalCap => Algorithm::SignalCap,
        Type::SignalAIMD => Algorithm::SignalAimd,
        Type::AIMD => Algorithm::Aimd(AimdSettings::default()),
        Type::Vegas => Algorithm::Vegas(VegasSettings::default()),
        Type::Gradient2 => Algorithm::Gradient2(Gradient2Settings::default()),
        Type::Fixed => Algorithm::Fixed,
    };
    let growth = match spec.algorithm.growth {
        declared::Growth::WhenBusy => Growth::WhenBusy,
        declared::Growth::Always => Growth::Always,
    };
    let percent = |share: Option<i32>| share.map_or(100, |share| share.clamp(0, 100) as u8);
    let declared = &spec.criticality.shares;
    let shares = Shares {
        critical_plus: percent(declared.critical_plus),
        critical: percent(declared.critical),
        sheddable_plus: percent(declared.sheddable_plus),
        sheddable: percent(declared.sheddable),
    };
    Ok(WindowPlan {
        settings: Settings { growth, shares, ..Settings::new(bounds, algorithm) },
        shared: window.scope == declared::WindowScope::Cluster,
    })
}

fn signals(source: &ObjectName, spec: &declared::BackpressurePolicySpec) -> Result<SignalPlan, PolicyError> {
    let signals = spec.signals.iter().enumerate();
    let signals = signals.map(|(index, declared)| signal(index, declared)).collect::<Result<Vec<_>, _>>()?;
    let prometheus = match &spec.prometheus {
        Some(prometheus) if !signals.is_empty() => Some(self::prometheus(source, prometheus)),
        Some(_) => None,
        None if signals.is_empty() => None,
        None => {
            return Err(error(
                "spec.prometheus",
                "signals need prometheus, the server that answers their queries",
            ));
        }
    };
    let on_loss = spec.prometheus.as_ref().map_or_else(OnSignalLoss::default, |prometheus| match prometheus
        .on_signal_loss
    {
        declared::OnSignalLoss::Hold => OnSignalLoss::Hold,
        declared::OnSignalLoss::Open => OnSignalLoss::Open,
        declared::OnSignalLoss::Closed => OnSignalLoss::Closed,
    });
    let max_staleness = spec.prometheus.as_ref().map_or(Duration::MAX, |asked| asked.max_staleness.get());
    Ok(SignalPlan { signals, on_loss, max_staleness, prometheus })
}

fn signal(index: usize, declared: &declared::Signal) -> Result<SignalSettings, PolicyError> {
    let field = format!("spec.signals[{index}]");
    check_query(&declared.query).map_err(|fault| error(format!("{field}.query"), fault))?;
    let thresholds = match (declared.warning, declared.emergency) {
        (Some(warning), Some(emergency)) => {
            let thresholds = Thresholds::new(warning.to_f64(), emergency.to_f64(), declared.curve.to_f64());
            Some(thresholds.map_err(|fault| error(field, fault))?)
        }
        (None, None) => None,
        _ => return Err(error(field, "warning and emergency must be given both or neither")),
    };
    Ok(SignalSettings { name: declared.name.clone(), query: declared.query.clone(), thresholds })
}

fn prometheus(source: &ObjectName, declared: &declared::Prometheus) -> Prometheus {
    let auth = match (&declared.auth.bearer_token_secret_ref, &declared.auth.basic_auth_secret_ref) {
        (Some(token), _) => Auth::Bearer(key(source, token)),
        (None, Some(basic)) => Auth::Basic {
            username: secret(source, &basic.name, USERNAME),
            password: secret(source, &basic.name, PASSWORD),
        },
        (None, None) => Auth::None,
    };
    Prometheus {
        url: declared.url.clone(),
        interval: declared.interval.get(),
        timeout: declared.timeout.get(),
        auth,
        ca: declared.tls.ca_secret_ref.as_ref().map(|reference| key(source, reference)),
        headers: declared.headers.clone().into_iter().collect(),
    }
}

fn limits(spec: &declared::BackpressurePolicySpec) -> Result<Vec<LimitCheck>, PolicyError> {
    let check = |(index, declared): (usize, &declared::LimitCheck)| {
        let part = |(nth, part): (usize, &declared::KeyPart)| {
            let field = format!("spec.rateLimits[{index}].key[{nth}]");
            match (&part.header, part.client_address) {
                (Some(name), false) => Ok(KeyPart::Header(header(&field, name)?)),
                (None, true) => Ok(KeyPart::ClientAddress),
                _ => Err(error(field, "either header or clientAddress: true must be given")),
            }
        };
        let key = declared.key.iter().enumerate().map(part).collect::<Result<_, _>>()?;
        Ok(LimitCheck { name: declared.name.as_str().into(), key })
    };
    spec.rate_limits.iter().enumerate().map(check).collect()
}

fn block(spec: &declared::BackpressurePolicySpec) -> Result<BlockRules, PolicyError> {
    let mut rules = BlockRules::new();
    for (index, rule) in spec.block.iter().enumerate() {
        rules
            .push(&rule.header, &rule.pattern)
            .map_err(|fault| error(format!("spec.block[{index}]"), fault))?;
    }
    Ok(rules)
}
