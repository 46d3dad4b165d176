//! Callers of a URL, each with a connection of its own and one request at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use tokio::sync::watch;

use crate::serve::{reply, serve};
use crate::{ADMIN, Failure};

/// What is posted here, followed by a number, is how many call from now on.
const CALLERS: &str = "/callers/";
/// The most callers.
const MOST: usize = 128;
/// How long a caller waits after it was refused.
const REFUSED: Duration = Duration::from_millis(50);
/// How long after anything that went wrong.
const FAILED: Duration = Duration::from_millis(100);
/// The longest that an answer may take.
const LONGEST: Duration = Duration::from_secs(20);
/// Requests of a connection: each new one finds its pod anew.
const OF_A_CONNECTION: usize = 20;
/// Different bodies and errors that are told apart.
const DIFFERENT: usize = 16;

/// What came of all calls so far.
#[derive(Default, Serialize)]
struct Tally {
    /// Calls under way.
    waiting: usize,
    /// Answers by status.
    statuses: BTreeMap<u16, u64>,
    /// Good answers by what they say.
    answers: BTreeMap<String, u64>,
    /// Calls without an answer, by why.
    errors: BTreeMap<String, u64>,
    /// The longest that a good answer took, in milliseconds.
    longest_ms: u64,
}

#[derive(Clone)]
struct Load {
    url: Uri,
    wanted: watch::Sender<usize>,
    tally: Arc<Mutex<Tally>>,
}

/// Calls for ever.
pub(crate) async fn run(url: Uri) -> Result<(), Failure> {
    let load = Load { url, wanted: watch::Sender::new(0), tally: Arc::default() };
    for number in 0..MOST {
        tokio::spawn(load.clone().call(number));
    }
    let told = load.clone();
    serve(ADMIN, move |request: Request<_>| {
        if let Some(Ok(callers)) = request.uri().path().strip_prefix(CALLERS).map(str::parse) {
            told.wanted.send_replace(callers);
        }
        let tally = told.with(|tally| serde_json::to_string(tally).unwrap_or_default());
        async move { reply(StatusCode::OK, tally) }
    })
    .await?;
    Ok(())
}

impl Load {
    fn with<T>(&self, look: impl FnOnce(&mut Tally) -> T) -> T {
        look(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One caller, which calls while more than `number` are wanted.
    async fn call(self, number: usize) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let client = Client::builder(TokioExecutor::new()).build_http();
            for _ in 0..OF_A_CONNECTION {
                if wanted.wait_for(|wanted| *wanted > number).await.is_err() {
                    return;
                }
                self.with(|tally| tally.waiting += 1);
                let asked = tokio::time::timeout(LONGEST, self.ask(&client)).await;
                self.with(|tally| tally.waiting -= 1);
                let pause = match asked.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                    Ok(status) if status.is_success() => continue,
                    Ok(_) => REFUSED,
                    Err(error) => {
                        self.with(|tally| count(&mut tally.errors, error));
                        FAILED
                    }
                };
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn ask(&self, client: &Client<HttpConnector, Empty<Bytes>>) -> Result<StatusCode, String> {
        let began = Instant::now();
        let response = client.get(self.url.clone()).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| format!("{error:?}"))?;
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.with(|tally| {
            *tally.statuses.entry(status.as_u16()).or_default() += 1;
            if status.is_success() {
                tally.longest_ms = tally.longest_ms.max(took);
                count(&mut tally.answers, String::from_utf8_lossy(&body.to_bytes()).into_owned());
            }
        });
        Ok(status)
    }
}

/// Counts, as long as there are not too many different ones.
fn count(counts: &mut BTreeMap<String, u64>, of: String) {
    let of = if counts.len() < DIFFERENT || counts.contains_key(&of) { of } else { "others".to_owned() };
    *counts.entry(of).or_default() += 1;
}
