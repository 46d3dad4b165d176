//! The data plane: one node of the limiter, its settings, its doors and its peers.

pub mod api;
pub mod app;
pub mod args;
pub mod clock;
pub mod document;
pub mod files;
pub mod health;
pub mod hit;
pub mod limiter;
pub mod limits;
pub mod load;
pub mod metrics;
pub mod node;
pub mod peers;
pub mod proxy;
pub mod run;
pub mod server;
pub mod settings;
pub mod telemetry;
pub mod wire;
