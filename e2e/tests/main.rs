//! `wicketgated` from outside: every test starts the binary and speaks to it as a client would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod bad_input;
mod conformance;
mod deadlines;
mod declared;
mod differences;
mod docs;
mod kube;
mod lifecycle;
mod manifests;
mod originals;
mod proxy;
mod requests;
mod rings;
mod scenario;
mod streams;
mod throttle_proxy;
