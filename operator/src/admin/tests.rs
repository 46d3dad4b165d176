use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt as _, net::TcpStream, task::JoinHandle};

use super::*;

struct Running {
    address: std::net::SocketAddr,
    health: Health,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(address: &str) -> Running {
    let (health, stop) = (Health::default(), CancellationToken::new());
    let metrics = Arc::new(Metrics::new().unwrap());
    let admin = Admin::bind(&address.parse().unwrap(), health.clone(), Arc::clone(&metrics)).await.unwrap();
    let address = admin.address().unwrap();
    let task = tokio::spawn(admin.serve(stop.clone()));
    Running { address, health, metrics, stop, task }
}

async fn ask(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request =
        Request::get(path).header(http::header::HOST, "operator").body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn probes_say_why_not() {
    let Running { address, health, .. } = start("127.0.0.1:0").await;
    assert_eq!(ask(address, "/livez").await, (200, "alive\n".to_owned()));
    let (code, why) = ask(address, "/readyz").await;
    assert!(code == 503 && why.contains("the API server has not answered"), "{code} {why}");
    health.enter(Phase::Standby);
    assert_eq!(ask(address, "/readyz").await, (200, "standing by\n".to_owned()));
    assert_eq!(ask(address, "/elsewhere").await.0, 404);
}

#[tokio::test]
async fn a_reconcile_that_does_not_end_ends_the_process() {
    let metrics = Arc::new(Metrics::new().unwrap());
    let shared = Arc::new(Shared { health: Health::default(), metrics: Arc::clone(&metrics) });
    let live = || livez(State(Arc::clone(&shared)));
    tokio::time::pause();
    let running = metrics.reconcile(crate::metrics::Kind::Cluster);
    tokio::time::advance(STUCK).await;
    assert_eq!(live().await.into_response().status(), 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(live().await.into_response().status(), 503);
    running.end(crate::metrics::Outcome::Error);
    assert_eq!(live().await.into_response().status(), 200);
}

#[tokio::test]
async fn metrics_are_in_prometheus_text() {
    let Running { address, metrics, .. } = start("127.0.0.1:0").await;
    metrics.leader().set(1);
    let (code, text) = ask(address, "/metrics").await;
    assert_eq!(code, 200);
    assert!(text.contains("\nwicketgate_operator_leader 1\n"), "{text}");
}

#[tokio::test]
async fn a_caller_that_says_nothing_does_not_hold_up_the_end() {
    let Running { address, stop, task, .. } = start("127.0.0.1:0").await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    ask(address, "/livez").await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or_default(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let Running { address, .. } = start("127.0.0.1:0").await;
    let metrics = Arc::new(Metrics::new().unwrap());
    let again = Admin::bind(&address.to_string().parse().unwrap(), Health::default(), metrics).await;
    assert_eq!(again.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
