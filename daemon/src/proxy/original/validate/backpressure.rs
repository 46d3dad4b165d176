//! The window and its signals.

use std::time::Duration;

use engine::aimd::{
    Algorithm, Bounds, BoundsError, MAX_WINDOW, OnSignalLoss, Settings, SignalSettings, Thresholds,
    check_query,
};

use super::{Problem, monitoring_url, no_signals};
use crate::proxy::original::config::{Backpressure, Query};
use crate::proxy::policy::{Auth, Prometheus, SignalPlan, WindowPlan};

const TIMEOUT: Duration = Duration::from_secs(15);
const MAX_STALENESS: Duration = Duration::from_secs(2 * 60);
const SECTION: &str = "proxymw_config.backpressure_config";

/// A window, and what moves it.
pub(super) struct Plan {
    pub(super) window: WindowPlan,
    pub(super) signals: SignalPlan,
}

/// Checks in the original's order.
pub(super) fn plan(
    config: &Backpressure,
    interval: Duration,
    warnings: &mut Vec<String>,
) -> Result<Plan, Problem> {
    if !config.enable_backpressure {
        let bounds = Bounds::new(MAX_WINDOW.into(), MAX_WINDOW.into()).map_err(section)?;
        let settings = Settings::new(bounds, Algorithm::Fixed);
        return Ok(Plan { window: WindowPlan { settings, shared: false }, signals: no_signals() });
    }
    if config.backpressure_queries.is_empty() {
        return Err(noted(
            "must provide at least one backpressure query when backpressure is enabled",
            format!("{SECTION}.backpressure_queries is empty"),
        ));
    }
    let queries = config.backpressure_queries.iter().enumerate();
    let signals = queries.map(|(nth, query)| signal(nth, query)).collect::<Result<Vec<_>, _>>()?;
    let url = &config.backpressure_monitoring_url;
    monitoring_url(url).map_err(|fault| section(format!("invalid monitoring URL: {fault}")))?;
    let settings = Settings::new(bounds(config)?, Algorithm::SignalCap);
    let signals = if url.is_empty() {
        warnings.push(format!(
            "{SECTION}.backpressure_monitoring_url is empty: no query is asked, and the window opens to its maximum"
        ));
        no_signals()
    } else {
        let prometheus = Prometheus {
            url: url.clone(),
            interval,
            timeout: TIMEOUT,
            auth: Auth::None,
            ca: None,
            headers: Vec::new(),
        };
        // A value must live until the next may have come.
        let max_staleness = MAX_STALENESS.max(interval.saturating_mul(2).saturating_add(TIMEOUT));
        SignalPlan { signals, on_loss: OnSignalLoss::Hold, max_staleness, prometheus: Some(prometheus) }
    };
    Ok(Plan { window: WindowPlan { settings, shared: false }, signals })
}

fn section(text: impl std::fmt::Display) -> Problem {
    Problem::new(format!("backpressure config: {text}"))
}

fn noted(text: impl std::fmt::Display, note: String) -> Problem {
    Problem { note: Some(note), ..section(text) }
}

fn signal(nth: usize, query: &Query) -> Result<SignalSettings, Problem> {
    let at = format!("{SECTION}.backpressure_queries[{nth}]");
    let Query {
        name,
        query,
        warning_threshold: warning,
        emergency_threshold: emergency,
        throttling_curve: curve,
    } = query;
    let (warning, emergency, curve) = (*warning, *emergency, *curve);
    check_query(query).map_err(|fault| noted(fault, format!("{at}.query is {query:?}; write PromQL")))?;
    if curve < 0.0 {
        let note = format!("{at}.throttling_curve is {curve}; use 0 for the default, or more");
        return Err(noted("throttle curve cannot be negative", note));
    }
    let note = format!("{at} has warning_threshold {warning} and emergency_threshold {emergency}");
    if warning < 0.0 || emergency < 0.0 {
        return Err(noted("backpressure query thresholds cannot be negative", note + "; use 0 or more"));
    }
    if emergency <= warning {
        return Err(noted("emergency threshold must be > warn threshold", note + "; raise the emergency"));
    }
    // What is left is what the original lets through: not a number, or infinite.
    let thresholds =
        Thresholds::new(warning, emergency, curve).map_err(|fault| noted(fault, format!("see {at}")))?;
    Ok(SignalSettings { name: name.clone(), query: query.clone(), thresholds: Some(thresholds) })
}

fn bounds(config: &Backpressure) -> Result<Bounds, Problem> {
    let (min, max) = (config.congestion_window_min, config.congestion_window_max);
    Bounds::new(min, max).map_err(|fault| match fault {
        BoundsError::Min(_) => noted(
            "backpressure min window < 1",
            format!("{SECTION}.congestion_window_min is {min}; use at least 1"),
        ),
        BoundsError::Order { .. } => noted(
            "backpressure max window <= min window",
            format!("{SECTION}.congestion_window_max is {max}; use at least congestion_window_min, {min}"),
        ),
        other => section(other),
    })
}
