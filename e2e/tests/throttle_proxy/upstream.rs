//! An upstream and a Prometheus in the test's own process: they note what they are asked, and answer as the
//! test wants.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

type Body = BoxBody<Bytes, Infallible>;
type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A server of the loopback that notes what it is asked; it ends when this is dropped.
struct Server {
    at: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of the loopback");
        let at = listener.local_addr().expect("the address of a bound port");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (noted, answer) = (Arc::clone(&seen), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                        async move {
                            let seen = read(request).await;
                            noted.lock().expect("no poison").push(seen.clone());
                            Ok::<_, Infallible>(answer(&seen).await)
                        }
                    });
                    let connection = Builder::new(TokioExecutor::new());
                    // A connection that the proxy cut off is no fault of the upstream's.
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { at, seen, task }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no poison").clone()
    }
}

async fn read(request: Request<Incoming>) -> Seen {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let target = head.uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
    Seen { method: head.method, target, headers: head.headers, body }
}

fn reply(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed());
    *response.status_mut() = status.try_into().expect("a status");
    response
}

/// The upstream. Targets with `hold` in them are answered once [`Upstream::release`] was called, those with
/// `stall` begin an answer and never end it, those with `fail` are 503, and all others are `hello`.
pub(crate) struct Upstream {
    server: Server,
    gate: watch::Sender<bool>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let (gate, opened) = watch::channel(false);
        let server = Server::start(move |seen| {
            let mut opened = opened.clone();
            let target = seen.target.clone();
            Box::pin(async move {
                if target.contains("hold") {
                    // The test may end first.
                    let _ = opened.wait_for(|open| *open).await;
                }
                if target.contains("stall") {
                    let part = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(b"part")))]);
                    return Response::new(BodyExt::boxed(StreamBody::new(
                        part.chain(futures_util::stream::pending()),
                    )));
                }
                if target.contains("fail") { reply(503, "broken") } else { reply(200, "hello") }
            })
        })
        .await;
        Self { server, gate }
    }

    /// Its address as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.at)
    }

    /// All that it was asked.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }

    /// Answers what it holds, and what comes.
    pub(crate) fn release(&self) {
        self.gate.send_replace(true);
    }
}

/// A Prometheus with one answer for every query.
pub(crate) struct Prometheus {
    server: Server,
    answer: Arc<Mutex<(u16, String)>>,
}

impl Prometheus {
    /// Every query has one series with this value.
    pub(crate) async fn start(value: &str) -> Self {
        let answer = Arc::new(Mutex::new((200, vector(value))));
        let given = Arc::clone(&answer);
        let server = Server::start(move |_| {
            let (status, body) = given.lock().expect("no poison").clone();
            Box::pin(async move { reply(status, body) })
        })
        .await;
        Self { server, answer }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.at)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }

    /// From now on every query has this value.
    pub(crate) fn says(&self, value: &str) {
        *self.answer.lock().expect("no poison") = (200, vector(value));
    }

    /// From now on every query fails.
    pub(crate) fn fails(&self) {
        *self.answer.lock().expect("no poison") = (500, "no".to_owned());
    }
}

fn vector(value: &str) -> String {
    format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[1,"{value}"]}}]}}}}"#
    )
}
