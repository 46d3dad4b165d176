//! A small HTTP server for few callers: bounded connections, bounded time.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a caller may take for its headers, also for those of the next request.
const HEADERS: Duration = Duration::from_secs(30);
/// How long accepting rests after the system has refused.
const REST: Duration = Duration::from_millis(50);
/// Connections at once; others wait to be accepted. A kubelet and some Prometheuses are few.
const MAX_CONNECTIONS: usize = 64;
/// How long answers may take that are being written at the end.
const GRACE: Duration = Duration::from_secs(1);

/// Serves `router` until `stop`, and then until its answers are written.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS);
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
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection failed");
            }
            drop(place);
        });
    }
    // An answer that its reader does not take is cut off.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}
