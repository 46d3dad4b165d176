//! `wicketgated proxy` as whoever ran throttle-proxy meets it: their file, their paths, their bodies and
//! their metrics.

mod answers;
mod chain;
mod files;
mod metrics;
mod paths;
mod proxy;
mod signals;
mod upstream;
mod window;
