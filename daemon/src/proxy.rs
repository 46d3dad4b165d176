//! Backpressure: a listener for each policy, whose traffic is admitted while the congestion window is
//! open and refused early and cheaply while it is not.
//!
//! A [`Fleet`] runs what is declared. A request goes through its listener's [`service`]: it finds its
//! [`route`], asks the [`gate`], and is sent on by the [`upstream`]. Its [`flight`] rides with the answer's
//! [`body`] and settles everything when that ends. Beside it, [`signals`] ask Prometheus how the upstream
//! feels.

pub mod body;
pub mod bypass;
pub mod connection;
pub mod fleet;
pub mod flight;
pub mod gate;
pub mod headers;
pub mod layer;
pub mod limits;
pub mod original;
pub mod policy;
pub mod pulse;
pub mod refusal;
pub mod route;
pub mod secrets;
pub mod service;
pub mod signals;
pub mod tls;
pub mod tunnel;
pub mod upstream;
pub mod url;

pub use fleet::{Fleet, Part, Surroundings};
