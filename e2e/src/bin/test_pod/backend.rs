//! A backend with few workers and a queue before them without end: it suffers where nobody holds requests
//! back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use http::{Request, StatusCode};
use tokio::sync::{Semaphore, watch};

use crate::serve::{Reply, reply, serve};
use crate::{ADMIN, Failure, TRAFFIC};

/// Requests under this path are answered once their path has been released.
const HOLD: &str = "/hold";
/// What is posted under this path of the port for tests is released.
const RELEASE: &str = "/release";
/// Paths that may be released.
const MOST_RELEASED: usize = 64;

struct Backend {
    name: String,
    workers: Semaphore,
    count: usize,
    work: Duration,
    in_progress: AtomicI64,
    most: AtomicI64,
    answered: AtomicU64,
    released: watch::Sender<BTreeSet<String>>,
}

/// A request for as long as somebody waits for its answer.
struct InProgress<'a>(&'a Backend);

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, SeqCst);
    }
}

/// Serves for ever.
pub(crate) async fn run(workers: usize, work: Duration) -> Result<(), Failure> {
    let backend = Arc::new(Backend {
        name: std::env::var("HOSTNAME").unwrap_or_default(),
        workers: Semaphore::new(workers),
        count: workers,
        work,
        in_progress: AtomicI64::new(0),
        most: AtomicI64::new(0),
        answered: AtomicU64::new(0),
        released: watch::Sender::default(),
    });
    let told = Arc::clone(&backend);
    let traffic = serve(TRAFFIC, move |request: Request<_>| {
        let backend = Arc::clone(&backend);
        async move { backend.answer(request.uri().path()).await }
    });
    let admin = serve(ADMIN, move |request: Request<_>| {
        let reply = told.tell(request.uri().path());
        async move { reply }
    });
    tokio::try_join!(traffic, admin)?;
    Ok(())
}

impl Backend {
    async fn answer(&self, path: &str) -> Reply {
        let now = self.in_progress.fetch_add(1, SeqCst) + 1;
        let _in_progress = InProgress(self);
        self.most.fetch_max(now, SeqCst);
        if let Some(held) = path.strip_prefix(HOLD) {
            let mut released = self.released.subscribe();
            if released.wait_for(|released| released.contains(held)).await.is_err() {
                return reply(StatusCode::SERVICE_UNAVAILABLE, "");
            }
        } else {
            let Ok(_worker) = self.workers.acquire().await else {
                return reply(StatusCode::SERVICE_UNAVAILABLE, "");
            };
            tokio::time::sleep(self.work).await;
        }
        self.answered.fetch_add(1, SeqCst);
        reply(StatusCode::OK, self.name.clone())
    }

    fn tell(&self, path: &str) -> Reply {
        if let Some(held) = path.strip_prefix(RELEASE) {
            self.released.send_modify(|released| {
                if released.len() < MOST_RELEASED {
                    released.insert(held.to_owned());
                }
            });
        }
        reply(
            StatusCode::OK,
            format!(
                "backend_workers {}\nbackend_in_progress {}\nbackend_in_progress_most {}\nbackend_answered_total {}\n",
                self.count,
                self.in_progress.load(SeqCst),
                self.most.load(SeqCst),
                self.answered.load(SeqCst)
            ),
        )
    }
}
