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

#[test]
fn a_failure_that_goes_on_hides_no_other_kind() {
    let backend = Backend::new(&declared(), Endpoints::fixed(&[]), &Secrets::default());
    let nobody = UpstreamError::NoEndpoints(String::new());
    let endpoint = SocketAddr::from(([127, 0, 0, 1], 80));
    let tls = UpstreamError::Tls { endpoint, fault: String::new() };
    let says =
        |error: &UpstreamError, second: u64| backend.says(error, Tick::from_micros(second * 1_000_000));
    assert_eq!([0, 1, 2].map(|second| says(&nobody, second)), [Some(0), None, None]);
    assert_eq!([2, 3].map(|second| says(&tls, second)), [Some(0), None]);
    assert_eq!([says(&nobody, 11), says(&tls, 13)], [Some(2), Some(1)]);
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
