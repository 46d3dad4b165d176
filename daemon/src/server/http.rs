//! The HTTP listener: JSON, metrics and probes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::threads::tune;

/// How long a caller may take for its headers.
const HEADERS: Duration = Duration::from_secs(10);
/// How long accepting rests after the system has refused.
const REST: Duration = Duration::from_millis(50);
/// Connections at once: beyond it, new ones wait to be accepted.
const MAX_CONNECTIONS: usize = 10_000;

/// Serves `router` until `drain` is cancelled, and then until its requests are answered, at most for `grace` as it then is.
pub async fn serve_http(
    listener: TcpListener,
    router: Router,
    drain: CancellationToken,
    grace: watch::Receiver<Duration>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accept = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accept => accepted,
            () = drain.cancelled() => break,
        };
        let stream = match accepted.and_then(|(stream, _)| tune(&stream).map(|()| stream)) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let (builder, watcher, drain) = (builder.clone(), graceful.watcher(), drain.clone());
        tokio::spawn(async move {
            // Who connects and says nothing must not keep a place from those who have something to say.
            let spoke = tokio::select! {
                spoke = tokio::time::timeout(HEADERS, stream.readable()) => matches!(spoke, Ok(Ok(()))),
                () = drain.cancelled() => false,
            };
            if spoke {
                let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(error, "connection failed");
                }
            }
            drop(place);
        });
    }
    drop(listener);
    let grace = *grace.borrow();
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(?grace, "requests did not end in time and are cut off");
    }
}
