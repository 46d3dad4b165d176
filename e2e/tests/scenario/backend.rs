//! A backend that slows under load and collapses beyond: four workers, a queue before them, work that takes
//! longer the more of it there is, and that goes on when nobody waits for it any more.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const WORKERS: u32 = 4;
/// What a request takes of a worker while there is no other.
const WORK: Duration = Duration::from_millis(20);
/// So many in progress double it: they are in each other's way.
const CROWD: u32 = 100;
/// More than any test sends; what comes beyond is refused, so that nothing grows without end.
const QUEUE: u32 = 5_000;

/// The backend; it takes no more when this is dropped.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) at: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    workers: Semaphore,
    in_progress: AtomicU32,
    /// What is in progress that no request asked for.
    background: AtomicU32,
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of the loopback");
        let at = listener.local_addr().expect("the address of a bound port");
        let state = Arc::new(State {
            workers: Semaphore::new(WORKERS as usize),
            in_progress: AtomicU32::new(0),
            background: AtomicU32::new(0),
        });
        let serves = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serves);
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let state = Arc::clone(&state);
                        async move { answer(&state, request).await }
                    });
                    let connection = Builder::new(TokioExecutor::new());
                    // Whoever lost patience has cut the connection.
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { at, state, task }
    }

    /// From now on so much is in progress beside the requests.
    pub(crate) fn occupy(&self, much: u32) {
        self.state.background.store(much, Relaxed);
    }
}

async fn answer(state: &Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let in_progress = state.in_progress.load(Relaxed);
    if request.uri().path() == "/metrics" {
        let all = in_progress + state.background.load(Relaxed);
        let text = format!("backend_in_progress {all}\nbackend_workers {WORKERS}\n");
        return Ok(Response::new(Full::from(text)));
    }
    let mut response = Response::new(Full::from("done"));
    if in_progress >= QUEUE {
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        return Ok(response);
    }
    state.in_progress.fetch_add(1, Relaxed);
    let state = Arc::clone(state);
    let work = tokio::spawn(async move {
        let worker = state.workers.acquire().await;
        let crowd = state.in_progress.load(Relaxed);
        tokio::time::sleep(WORK + WORK * crowd / CROWD).await;
        state.in_progress.fetch_sub(1, Relaxed);
        drop(worker);
    });
    // It fails only where the runtime ends.
    let _ = work.await;
    Ok(response)
}
