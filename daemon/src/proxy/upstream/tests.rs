mod http1;
mod http2;
mod server;
mod spread;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::*;

/// What a policy declares, with long times.
fn declared() -> Upstream {
    Upstream {
        target: Target::Url { tls: None, host: "shop.example".into(), port: 80, base_path: String::new() },
        balance: Balance::RoundRobin,
        protocol: Protocol::Auto,
        max_connections: 100,
        connect_timeout: Some(Duration::from_secs(5)),
        idle_timeout: Some(Duration::from_secs(60)),
    }
}

fn pool(upstream: &Upstream, addresses: &[SocketAddr]) -> Pool<Full<Bytes>> {
    Pool::new(&Backend::new(upstream, Endpoints::fixed(addresses), &Secrets::default()))
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", "client.example").body(Full::default()).unwrap()
}

/// Reads an answer to its end, then drops what it held.
async fn read((response, lease): (Response<Incoming>, Lease)) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(lease);
    String::from_utf8(body.to_vec()).unwrap()
}

/// Waits until something is so.
async fn until(what: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(10), async {
        while !what() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
