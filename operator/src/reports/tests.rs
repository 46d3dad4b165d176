//! Followers against pods that are servers on the loopback interface.

use std::{convert::Infallible, sync::Mutex as StdMutex, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Frame, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

use super::*;

/// How long something that must happen may take, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A pod: each connection answers with `status` and the lines put into the sender that it hands out.
struct Pod {
    address: SocketAddr,
    streams: mpsc::Receiver<mpsc::UnboundedSender<String>>,
    asked: Arc<StdMutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Pod {
    async fn start(status: StatusCode) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), status).await
    }

    async fn start_at(address: SocketAddr, status: StatusCode) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (opened, streams) = mpsc::channel(16);
        let asked = Arc::new(StdMutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, status, opened, Arc::clone(&asked)));
        Self { address, streams, asked, task }
    }

    fn target(&self) -> PodTarget {
        PodTarget {
            name: "main-0".into(),
            uid: "uid-0".into(),
            address: self.address.ip(),
            port: self.address.port(),
            ready: false,
        }
    }

    /// The next stream that was asked for.
    async fn stream(&mut self) -> mpsc::UnboundedSender<String> {
        tokio::time::timeout(SOON, self.streams.recv()).await.unwrap().unwrap()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    status: StatusCode,
    opened: mpsc::Sender<mpsc::UnboundedSender<String>>,
    asked: Arc<StdMutex<Vec<String>>>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (opened, asked) = (opened.clone(), Arc::clone(&asked));
        connections.spawn(async move {
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                asked.lock().unwrap().push(request.uri().to_string());
                answer(status, opened.clone())
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(
    status: StatusCode,
    opened: mpsc::Sender<mpsc::UnboundedSender<String>>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let (lines, stream) = mpsc::unbounded_channel::<String>();
    let _ = opened.send(lines).await;
    let body = if status == StatusCode::OK {
        let frames = futures_util::stream::unfold(stream, |mut stream| async move {
            stream.recv().await.map(|line| (Ok(Frame::data(Bytes::from(line))), stream))
        });
        BodyExt::boxed_unsync(StreamBody::new(frames.boxed()))
    } else {
        BodyExt::boxed_unsync(Full::new(Bytes::new()))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Ok(response)
}

fn line(report: &PodReport) -> String {
    format!("{}\n", serde_json::to_string(report).unwrap())
}

fn at(revision: &str) -> PodReport {
    PodReport { revision: revision.into(), peers: 3, ring: "r".into(), ..PodReport::default() }
}

fn cluster() -> ObjectName {
    ObjectName { namespace: "edge".into(), name: "main".into() }
}

fn reports() -> (Reports, mpsc::Receiver<ObjectName>) {
    let (news, changes) = mpsc::channel(1);
    (Reports::new(news, Arc::new(Metrics::new().unwrap())), changes)
}

/// Says it, and keeps the stream open for as long as the sender lives.
fn say(stream: mpsc::UnboundedSender<String>, revision: &str) -> mpsc::UnboundedSender<String> {
    stream.send(line(&at(revision))).unwrap();
    stream
}

async fn news(changes: &mut mpsc::Receiver<ObjectName>) -> ObjectName {
    tokio::time::timeout(SOON, changes.recv()).await.unwrap().unwrap()
}

/// Whoever had something to pass on has had every occasion to.
async fn no_news(changes: &mpsc::Receiver<ObjectName>) {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    assert!(changes.is_empty());
}

/// Waits until the pod has said that it has so many buckets.
async fn buckets(reports: &Reports, count: i64) {
    let heard = async {
        while reports.heard(&cluster(), "uid-0").current().is_none_or(|report| report.buckets != count) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, heard).await.unwrap();
}

fn revision(reports: &Reports) -> Option<String> {
    reports.heard(&cluster(), "uid-0").current().map(|report| report.revision.clone())
}

#[tokio::test]
async fn what_a_pod_says_is_heard_and_told_where_it_is_news() {
    let mut pod = Pod::start(StatusCode::OK).await;
    let (reports, mut changes) = reports();
    assert!(matches!(reports.heard(&cluster(), "uid-0"), Heard::Never));
    reports.follow(&cluster(), [pod.target()]);
    let stream = pod.stream().await;
    stream.send(line(&at("a"))).unwrap();
    assert_eq!(news(&mut changes).await, cluster());
    assert_eq!(revision(&reports).as_deref(), Some("a"));
    assert_eq!(reports.metrics.pods_heard().get(), 1);
    assert_eq!(*pod.asked.lock().unwrap(), ["/wicketgate/v1/report?watch=true"]);

    // More buckets are heard, but are no news; another revision is.
    stream.send(line(&PodReport { buckets: 7, ..at("a") })).unwrap();
    buckets(&reports, 7).await;
    no_news(&changes).await;
    stream.send(line(&PodReport { buckets: 8, ..at("b") })).unwrap();
    news(&mut changes).await;
    assert_eq!(revision(&reports).as_deref(), Some("b"));
}

#[tokio::test]
async fn a_stream_that_ends_is_lost_and_opened_again() {
    let mut pod = Pod::start(StatusCode::OK).await;
    let (reports, mut changes) = reports();
    reports.follow(&cluster(), [pod.target()]);
    let stream = pod.stream().await;
    stream.send(line(&at("a"))).unwrap();
    news(&mut changes).await;
    drop(stream);
    news(&mut changes).await;
    let heard = reports.heard(&cluster(), "uid-0");
    assert!(matches!(heard, Heard::Lost { .. }) && !heard.is_current() && heard.current().is_none());
    assert_eq!(heard.into_report(), Some(at("a")));
    assert_eq!(reports.metrics.reports_lost().get(), 1);
    assert_eq!(reports.metrics.pods_heard().get(), 0);
    // What it says again is news, though it is the same.
    let _open = say(pod.stream().await, "a");
    news(&mut changes).await;
    assert_eq!(revision(&reports).as_deref(), Some("a"));
}

#[tokio::test]
async fn what_is_no_report_is_a_lost_stream() {
    for broken in ["not json\n".to_owned(), "x".repeat(lines::MAX_LINE + 1), "{}\n".to_owned()] {
        let mut pod = Pod::start(StatusCode::OK).await;
        let (reports, mut changes) = reports();
        reports.follow(&cluster(), [pod.target()]);
        let stream = pod.stream().await;
        stream.send(line(&at("a"))).unwrap();
        news(&mut changes).await;
        stream.send(broken).unwrap();
        news(&mut changes).await;
        assert!(matches!(reports.heard(&cluster(), "uid-0"), Heard::Lost { .. }));
        pod.stream().await;
    }
}

#[tokio::test]
async fn a_pod_that_does_not_know_the_question_is_asked_again_and_is_no_news() {
    let mut pod = Pod::start(StatusCode::NOT_FOUND).await;
    let (reports, changes) = reports();
    reports.follow(&cluster(), [pod.target()]);
    pod.stream().await;
    pod.stream().await;
    assert!(matches!(reports.heard(&cluster(), "uid-0"), Heard::Never));
    no_news(&changes).await;
}

#[tokio::test]
async fn a_pod_that_is_not_wanted_is_let_go() {
    let mut pod = Pod::start(StatusCode::OK).await;
    let (reports, mut changes) = reports();
    reports.follow(&cluster(), [pod.target()]);
    let stream = pod.stream().await;
    stream.send(line(&at("a"))).unwrap();
    news(&mut changes).await;
    reports.follow(&cluster(), []);
    assert!(matches!(reports.heard(&cluster(), "uid-0"), Heard::Never));
    // The connection goes with it.
    tokio::time::timeout(SOON, stream.closed()).await.unwrap();
    assert_eq!(reports.metrics.pods_heard().get(), 0);
}

#[tokio::test]
async fn a_pod_stays_connected_while_it_is_wanted_and_is_asked_anew_at_another_address() {
    let (mut pod, mut moved) = (Pod::start(StatusCode::OK).await, Pod::start(StatusCode::OK).await);
    let (reports, mut changes) = reports();
    reports.follow(&cluster(), [pod.target()]);
    let stream = pod.stream().await;
    stream.send(line(&at("a"))).unwrap();
    news(&mut changes).await;
    reports.follow(&cluster(), [PodTarget { ready: true, ..pod.target() }]);
    assert_eq!(revision(&reports).as_deref(), Some("a"));
    assert!(!stream.is_closed());
    reports.follow(&cluster(), [moved.target()]);
    assert_eq!(revision(&reports), None);
    let _open = say(moved.stream().await, "b");
    news(&mut changes).await;
    assert_eq!(revision(&reports).as_deref(), Some("b"));
}

#[tokio::test]
async fn an_address_of_the_sixth_version_is_reached() {
    let mut pod = Pod::start_at("[::1]:0".parse().unwrap(), StatusCode::OK).await;
    let (reports, mut changes) = reports();
    reports.follow(&cluster(), [pod.target()]);
    let _open = say(pod.stream().await, "a");
    news(&mut changes).await;
    assert_eq!(revision(&reports).as_deref(), Some("a"));
}
