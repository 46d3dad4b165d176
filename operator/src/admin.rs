//! What the kubelet and Prometheus ask: `/livez`, `/readyz`, `/metrics`.

mod health;
mod serve;

use std::{io, sync::Arc, time::Duration};

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::{StatusCode, header::CONTENT_TYPE};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::health::{Health, Phase};
use crate::{
    args::ListenAddress,
    clock,
    metrics::{self, Metrics},
};

/// How long one reconcile may run before the process counts as stuck. Each of its requests is bounded, and
/// so are they all; what takes longer waits for something that will not come, and only a new process helps.
const STUCK: Duration = Duration::from_secs(15 * 60);

/// The listener is open, and answers from now on are due.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    state: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    health: Health,
    metrics: Arc<Metrics>,
}

impl Admin {
    /// Listens at `address`.
    ///
    /// # Errors
    /// Where that cannot be: the port is taken, or the address is not this machine's.
    pub async fn bind(address: &ListenAddress, health: Health, metrics: Arc<Metrics>) -> io::Result<Self> {
        let state = Arc::new(Shared { health, metrics });
        let mut refused = None;
        for text in address.bind_texts() {
            match TcpListener::bind(&text).await {
                Ok(listener) => return Ok(Self { listener, state }),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
    }

    /// Where it listens: as asked for, with the port that the system chose for 0.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn address(&self) -> io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop`, and ends what it is answering then.
    pub async fn serve(self, stop: CancellationToken) {
        let router = Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render))
            .with_state(self.state);
        serve::serve(self.listener, router, stop).await;
    }
}

async fn livez(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    answer(match shared.metrics.oldest_reconcile(clock::instant()) {
        Some((kind, age)) if age > STUCK => {
            Err(format!("a reconcile of a {} has run for {age:?}", kind.as_str()))
        }
        _ => Ok("alive"),
    })
}

async fn readyz(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    answer(shared.health.ready())
}

fn answer(outcome: Result<&'static str, String>) -> (StatusCode, String) {
    match outcome {
        Ok(word) => (StatusCode::OK, format!("{word}\n")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn render(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    match shared.metrics.render() {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, metrics::CONTENT_TYPE)], text),
        Err(error) => {
            let text = format!("the metrics cannot be written down: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], text)
        }
    }
}

#[cfg(test)]
mod tests;
