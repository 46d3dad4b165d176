//! The doors: what comes in from the network, and how it is answered.

pub mod gateway;
pub mod grpc;
pub mod json;

mod bind;
mod call;
mod closing;
mod connection;
mod deadline;
mod fallback;
mod front;
mod http;
mod observe;
mod report;
mod seldom;
mod services;
mod shared;
mod threads;

pub use bind::{BindError, Open, open};
pub use closing::close_while_leaving;
pub use connection::{GrpcDoor, MaxAge};
pub use front::NodeFront;
pub use http::serve_http;
pub use report::report_routes;
pub(crate) use seldom::Seldom;
pub use services::Services;
pub use threads::{Arrived, Doors, Serve};
pub(crate) use threads::{keep_little, tune};
