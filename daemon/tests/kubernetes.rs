//! `wicketgated serve` as in a pod: an API server that the test commands, and several daemons on
//! addresses of the loopback that are its pods.

mod api_server;
mod awaiting;
mod discovery;
mod document;
mod leaving;
mod pod;
