use std::convert::Infallible;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::*;

/// A server of HTTP/2 that tells the address it was asked, and is told when to go away.
struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    leave: watch::Sender<u32>,
    /// Requests that have come, and how many must have before any is answered.
    come: watch::Sender<(usize, usize)>,
    _task: JoinSet<()>,
}

async fn serve(most: u32) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let (leave, come) = (watch::Sender::new(0), watch::Sender::new((0, 0)));
    let (counting, leaving, coming) = (Arc::clone(&accepted), leave.clone(), come.clone());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counting.fetch_add(1, Ordering::SeqCst);
            let (mut leave, come) = (leaving.subscribe(), coming.clone());
            connections.spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let come = come.clone();
                    async move {
                        let text = format!("{} {:?}", request.uri(), request.headers().get("host"));
                        come.send_modify(|(come, _)| *come += 1);
                        come.subscribe().wait_for(|(come, together)| come >= together).await.unwrap();
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
                    }
                });
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .max_concurrent_streams(most)
                    .serve_connection(TokioIo::new(stream), service);
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    _ = &mut connection => return,
                    _ = leave.changed() => connection.as_mut().graceful_shutdown(),
                }
                connection.await.ok();
            });
        }
    });
    Server { address, accepted, leave, come, _task: task }
}

fn grpc() -> Request<Full<Bytes>> {
    let mut request = get("/shop.Api/Get");
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc+proto"));
    request
}

/// Sends so many requests, none of which is answered before so many are there together.
async fn at_once(server: &Server, pool: &Pool<Full<Bytes>>, requests: usize, together: usize) {
    server.come.send_replace((0, together));
    let mut all = JoinSet::new();
    for _ in 0..requests {
        let pool = pool.clone();
        all.spawn(async move { read(pool.send(grpc()).await.unwrap()).await });
    }
    while let Some(said) = all.join_next().await {
        assert_eq!(said.unwrap(), "http://client.example/shop.Api/Get None");
    }
}

#[tokio::test]
async fn requests_of_grpc_share_one_connection() {
    let server = serve(100).await;
    let pool = pool(&declared(), &[server.address]);
    at_once(&server, &pool, 50, 50).await;
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
    assert_eq!(pool.backend().open_connections(), 1);
}

#[tokio::test]
async fn another_connection_is_opened_where_one_takes_no_more_requests() {
    let server = serve(10).await;
    let pool = pool(&declared(), &[server.address]);
    // How many it takes is known after the first.
    at_once(&server, &pool, 1, 1).await;
    at_once(&server, &pool, 25, 25).await;
    assert_eq!(server.accepted.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn requests_wait_for_their_turn_where_no_other_connection_may_be_opened() {
    let server = serve(10).await;
    let pool = pool(&Upstream { max_connections: 1, ..declared() }, &[server.address]);
    at_once(&server, &pool, 1, 1).await;
    at_once(&server, &pool, 25, 10).await;
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_goes_away_is_followed_by_another() {
    let server = serve(100).await;
    let pool = pool(&Upstream { protocol: Protocol::Http2, ..declared() }, &[server.address]);
    for nth in 1..4 {
        at_once(&server, &pool, 5, 5).await;
        assert_eq!(server.accepted.load(Ordering::SeqCst), nth);
        server.leave.send_modify(|times| *times += 1);
        until(|| pool.backend().open_connections() == 0).await;
    }
}

#[tokio::test]
async fn a_shared_connection_that_is_idle_too_long_is_closed() {
    let server = serve(100).await;
    let upstream = Upstream { idle_timeout: Some(Duration::from_millis(50)), ..declared() };
    let pool = pool(&upstream, &[server.address]);
    at_once(&server, &pool, 5, 5).await;
    until(|| pool.backend().open_connections() == 0).await;
}
