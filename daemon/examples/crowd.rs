//! A backend and its callers, for `make demo`: a window is put between them by
//! `wicketgated standalone -f examples/demo-window.yaml`, and this prints each second what becomes of it.
//!
//! The backend has eight workers that take 20 ms for a request, and for some seconds ten times as long, as
//! backends do whose disk is busy with something else. The callers are 300 a second, all the time.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use crds::report::{PATH, PodReport};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{interval, timeout};
use wicketgate_daemon::clock;

/// Where examples/demo-window.yaml expects the backend, where it listens itself, and where its daemon tells.
const BACKEND: &str = "127.0.0.1:1061";
const WINDOW: &str = "http://127.0.0.1:1060/";
const DAEMON: &str = "http://127.0.0.1:1050";

const WORKERS: usize = 8;
const WORK: Duration = Duration::from_millis(20);
const SLOWER: u32 = 10;
/// Each so many seconds long: well, ill, well again.
const PARTS: [(u64, bool); 3] = [(4, false), (5, true), (6, false)];
/// Callers that come every 10 ms, and how long each waits.
const CALLERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(2);

type Failure = Box<dyn Error + Send + Sync>;
type Caller = Client<HttpConnector, Empty<bytes::Bytes>>;

/// What was seen in the last second.
#[derive(Default)]
struct Seen {
    ends: Mutex<BTreeMap<&'static str, u64>>,
    micros: AtomicU64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let ill = Arc::new(AtomicBool::new(false));
    serve(Arc::clone(&ill)).await?;
    let (caller, seen) = (Client::builder(TokioExecutor::new()).build_http(), Arc::new(Seen::default()));
    let load = tokio::spawn(load(caller.clone(), Arc::clone(&seen)));
    let mut second = interval(Duration::from_secs(1));
    second.tick().await;
    for (seconds, is_ill) in PARTS {
        ill.store(is_ill, Relaxed);
        println!("  the backend is {}", if is_ill { "ten times as slow" } else { "well" });
        for _ in 0..seconds {
            second.tick().await;
            println!("{}", line(&caller, &seen).await?);
        }
    }
    load.abort();
    Ok(())
}

async fn serve(ill: Arc<AtomicBool>) -> Result<(), Failure> {
    let workers = Arc::new(Semaphore::new(WORKERS));
    let work = move || {
        let (workers, ill) = (Arc::clone(&workers), Arc::clone(&ill));
        async move {
            let worker = workers.acquire().await;
            tokio::time::sleep(if ill.load(Relaxed) { WORK * SLOWER } else { WORK }).await;
            drop(worker);
            "done\n"
        }
    };
    let listener = TcpListener::bind(BACKEND).await?;
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(work))).await });
    Ok(())
}

async fn load(caller: Caller, seen: Arc<Seen>) {
    let mut tick = interval(Duration::from_millis(10));
    loop {
        tick.tick().await;
        for _ in 0..CALLERS {
            let (caller, seen) = (caller.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let began = clock::instant();
                let end = match timeout(PATIENCE, ask(&caller, WINDOW)).await {
                    Ok(Ok((StatusCode::OK, _))) => "answered",
                    Ok(Ok((StatusCode::TOO_MANY_REQUESTS, _))) => "refused",
                    _ => "failed",
                };
                if end == "answered" {
                    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    seen.micros.fetch_add(micros, Relaxed);
                }
                if let Ok(mut ends) = seen.ends.lock() {
                    *ends.entry(end).or_default() += 1;
                }
            });
        }
    }
}

async fn ask(caller: &Caller, url: &str) -> Result<(StatusCode, bytes::Bytes), Failure> {
    let answer = caller.request(Request::get(url).body(Empty::new())?).await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

async fn line(caller: &Caller, seen: &Seen) -> Result<String, Failure> {
    let (_, report) = ask(caller, &format!("{DAEMON}{PATH}")).await?;
    let report: PodReport = serde_json::from_slice(&report)?;
    let policy = report.policies.first().ok_or("the daemon runs no policy")?;
    let ends = seen.ends.lock().map(|mut ends| std::mem::take(&mut *ends)).unwrap_or_default();
    let count = |end| ends.get(end).copied().unwrap_or(0);
    let millis = seen.micros.swap(0, Relaxed) / 1_000 / count("answered").max(1);
    let (window, bar) = (policy.window, "#".repeat(usize::try_from(policy.window).unwrap_or(0)));
    Ok(format!(
        "  window {window:>3} {bar:<40} in flight {:>3}   answered {:>3} in {millis:>3} ms   refused {:>3}   failed {:>3}",
        policy.in_flight,
        count("answered"),
        count("refused"),
        count("failed"),
    ))
}
