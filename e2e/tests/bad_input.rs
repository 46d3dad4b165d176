//! What no client should send and no person should write: each gets a clear answer, and the daemon serves
//! on.

mod connections;
mod frames;
mod json;
mod messages;
mod settings;
mod yaml;

use e2e::daemon::Daemon;
use http::StatusCode;

use crate::requests::{Under, decision, token};

/// The same process answers new clients, on gRPC and on HTTP.
async fn still_serves(daemon: &mut Daemon) {
    assert!(daemon.runs(), "the process is alive");
    let client = daemon.node().client().await;
    let reply = client.hit_one(token("still serves", 0, 10, 60_000)).await;
    assert_eq!(decision(&reply), (Under, 10));
    for path in ["/livez", "/readyz", "/metrics", "/v1/HealthCheck"] {
        let reply = daemon.node().http().get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text());
    }
    let log = daemon.log();
    assert!(!log.contains("panicked"), "nothing panicked:\n{log}");
}
