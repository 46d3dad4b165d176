//! Starts the binaries as a user would, and asks them what a client would ask: processes, ports, log
//! lines, gRPC and HTTP. Nothing here knows the insides of a binary. [`kube`] is the same on Kubernetes.
//!
//! The tests stand in `tests/main.rs`, one module a subject; `bench/run` measures.
// All of this serves tests and benches: what is not as it should be ends the test with a sentence, and
// time is read here because the tests live by the wall clock.
#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

pub mod binary;
pub mod bodies;
pub mod clock;
pub mod daemon;
pub mod frames;
pub mod framing;
pub mod grpc;
pub mod http;
pub mod kube;
pub mod launch;
pub mod logs;
pub mod ports;
pub mod process;
pub mod speak;
pub mod upstream;
pub mod wire;
