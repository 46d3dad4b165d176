//! Callers that come at a rate, whether or not those before them were answered, and wait for a second each.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use e2e::clock::await_some_within;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::LONG;

/// How long a caller waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// Callers that wait at once, and requests of a whole run.
const WAITING: usize = 1_500;
const MOST: u64 = 20_000;

/// How often callers come; each comes in its tick, and none is made up for after a stall.
const TICK: Duration = Duration::from_millis(10);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered,
    Refused,
    /// No answer in time, or an error.
    Lost,
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When it was sent.
    pub(crate) at: f64,
    pub(crate) end: End,
    pub(crate) millis: f64,
}

struct Shared {
    client: Client<HttpConnector, Empty<Bytes>>,
    url: String,
    began: Instant,
    rate: AtomicU32,
    sent: AtomicU64,
    waiting: Arc<Semaphore>,
    samples: Mutex<Vec<Sample>>,
    odd: Mutex<Vec<String>>,
}

/// A running load; it ends when this is dropped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    ended: Mutex<Option<f64>>,
    task: JoinHandle<()>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Load {
    pub(crate) fn start(port: u16, rate: u32) -> Self {
        let shared = Arc::new(Shared {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: format!("http://127.0.0.1:{port}/work"),
            began: Instant::now(),
            rate: AtomicU32::new(rate),
            sent: AtomicU64::new(0),
            waiting: Arc::new(Semaphore::new(WAITING)),
            samples: Mutex::default(),
            odd: Mutex::default(),
        });
        let task = tokio::spawn(send(Arc::clone(&shared)));
        Self { shared, ended: Mutex::default(), task }
    }

    /// So many come in a second from now on.
    pub(crate) fn set(&self, rate: u32) {
        self.shared.rate.store(rate, Relaxed);
    }

    /// Waits until so many more were sent.
    pub(crate) async fn until_sent(&self, more: u64) {
        let goal = self.shared.sent.load(Relaxed) + more;
        let what = format!("{more} more requests are sent");
        await_some_within(LONG, &what, async || (self.shared.sent.load(Relaxed) >= goal).then_some(())).await;
    }

    /// Sends no more, and waits for all that are under way.
    pub(crate) async fn stop(&self) {
        *self.ended.lock().expect("no poison") = Some(self.seconds());
        self.set(0);
        let all = u32::try_from(WAITING).expect("few");
        drop(self.shared.waiting.acquire_many(all).await);
    }

    /// Seconds since it began, until it was stopped.
    pub(crate) fn seconds(&self) -> f64 {
        let ended = *self.ended.lock().expect("no poison");
        ended.unwrap_or_else(|| self.shared.began.elapsed().as_secs_f64())
    }

    pub(crate) fn began(&self) -> Instant {
        self.shared.began
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.shared.samples.lock().expect("no poison").clone()
    }

    /// Refusals that are not as they should be.
    pub(crate) fn odd(&self) -> Vec<String> {
        self.shared.odd.lock().expect("no poison").clone()
    }

    /// What became of what was sent between two instants.
    pub(crate) fn summary(&self, from: f64, to: f64) -> Summary {
        let samples = self.samples();
        let samples: Vec<_> = samples.iter().filter(|sample| (from..to).contains(&sample.at)).collect();
        let count = |end| samples.iter().filter(|sample| sample.end == end).count();
        let mut millis: Vec<f64> =
            samples.iter().filter(|sample| sample.end == End::Answered).map(|sample| sample.millis).collect();
        millis.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let place = (millis.len().saturating_sub(1) as f64 * share).round() as usize;
            millis.get(place).copied().unwrap_or(f64::NAN)
        };
        Summary {
            seconds: to - from,
            answered: count(End::Answered),
            refused: count(End::Refused),
            lost: count(End::Lost),
            p50: quantile(0.5),
            p99: quantile(0.99),
        }
    }
}

/// What became of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    seconds: f64,
    pub(crate) answered: usize,
    pub(crate) refused: usize,
    pub(crate) lost: usize,
    /// Milliseconds of those that were answered.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Summary {
    pub(crate) fn per_second(&self, count: usize) -> f64 {
        count as f64 / self.seconds
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, refused, lost, p50, p99, .. } = *self;
        let sent = self.per_second(answered + refused + lost);
        let [answered, refused, lost] = [answered, refused, lost].map(|count| self.per_second(count));
        write!(f, "{sent:>8.0}{answered:>12.0}{refused:>11.0}{lost:>9.0}{p50:>9.0}{p99:>9.0}")
    }
}

async fn send(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = 0.0;
    loop {
        tick.tick().await;
        due += f64::from(shared.rate.load(Relaxed)) * TICK.as_secs_f64();
        while due >= 1.0 && shared.sent.load(Relaxed) < MOST {
            due -= 1.0;
            let Ok(place) = Arc::clone(&shared.waiting).try_acquire_owned() else { continue };
            shared.sent.fetch_add(1, Relaxed);
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let sent = Instant::now();
                let end = one(&shared).await;
                let at = sent.saturating_duration_since(shared.began).as_secs_f64();
                let millis = sent.elapsed().as_secs_f64() * 1_000.0;
                shared.samples.lock().expect("no poison").push(Sample { at, end, millis });
                drop(place);
            });
        }
    }
}

async fn one(shared: &Shared) -> End {
    let request = Request::get(&shared.url).body(Empty::new()).expect("a request");
    let exchange = async {
        let response = shared.client.request(request).await.ok()?;
        let (head, body) = response.into_parts();
        body.collect().await.ok()?;
        Some((head.status, head.headers))
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Some((StatusCode::OK, _))) => End::Answered,
        Ok(Some((StatusCode::TOO_MANY_REQUESTS, headers))) => {
            if let Some(odd) = odd(&headers) {
                shared.odd.lock().expect("no poison").push(odd);
            }
            End::Refused
        }
        _ => End::Lost,
    }
}

/// What is wrong with a refusal.
fn odd(headers: &HeaderMap) -> Option<String> {
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let as_it_should =
        told("retry-after") == Some("1") && told("x-wicketgate-reason") == Some("WindowClosed");
    (!as_it_should).then(|| format!("{headers:?}"))
}
