//! Backpressure: how many requests may be in flight, and what moves that number.
//!
//! A [`Window`] admits requests while fewer are in flight than it is wide. Each admitted request holds
//! a [`Permit`], and its end moves the window by the rules of an [`Algorithm`]. [`Signals`] turns what
//! Prometheus answered into a [`Pressure`], which caps the window; several windows may share one set
//! of signals. Nothing here waits or queues: a request enters at once or is refused.
//!
//! ```
//! use std::sync::Arc;
//! use wicketgate_engine::Tick;
//! use wicketgate_engine::aimd::{Algorithm, Bounds, Outcome, Pressure, Settings, Window};
//!
//! let settings = Settings::new(Bounds::new(1, 100)?, Algorithm::SignalCap);
//! let window = Arc::new(Window::new(settings, 7));
//! let permit = window.try_enter(None, Tick::from_micros(0))?;
//! assert!(window.try_enter(None, Tick::from_micros(5)).is_err(), "the window begins at its minimum");
//! permit.finish(Outcome::Success, Tick::from_micros(900));
//! assert_eq!((window.stats().window, window.stats().in_flight), (2, 0));
//! window.set_pressure(Pressure { allowance: 0.0, firing: true });
//! assert_eq!(window.stats().window, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use self::{
    bounds::{Bounds, BoundsError, MAX_WINDOW},
    criticality::{Criticality, Shares},
    curve::{DEFAULT_CURVE, Pressure, ThresholdError, Thresholds},
    latency::{AimdSettings, Gradient2Settings, VegasSettings},
    permit::{Closed, Outcome, Permit},
    signals::{
        Answer, AnswerError, OnSignalLoss, QueryError, SignalSettings, SignalStats, Signals, check_query,
    },
    window::{Algorithm, Growth, Settings, Stats, Window},
};

mod bounds;
mod criticality;
mod curve;
mod latency;
mod permit;
mod signals;
mod state;
mod window;
