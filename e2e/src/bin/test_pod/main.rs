//! What the tests on Kubernetes run in pods beside the product: a backend that suffers, and who calls it.
//!
//! ```text
//! test-pod backend WORKERS MILLISECONDS    works on so many requests at once, each for so long; others wait
//! test-pod load URL                        calls URL, once it is told by how many callers
//! ```
//! Port 8080 is the backend's. On port 8081 both say how they are and are told what to do, so that what a
//! test asks is never counted as traffic.
// Time is what is measured here.
#![allow(clippy::disallowed_methods)]

mod backend;
mod load;
mod serve;

use std::error::Error;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "test-pod backend WORKERS MILLISECONDS | load URL";
/// Where traffic comes in.
const TRAFFIC: u16 = 8080;
/// Where tests ask.
const ADMIN: u16 = 8081;
/// How long it serves on after it is told to end: who calls it hears only then that it is going.
const LINGER: Duration = Duration::from_secs(3);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // The first process of a container ends by no signal that it does not ask for.
    let mut told = signal(SignalKind::terminate())?;
    let ended = async {
        told.recv().await;
        tokio::time::sleep(LINGER).await;
    };
    match words[..] {
        ["backend", workers, work] => {
            let work = Duration::from_millis(work.parse()?);
            tokio::select! { outcome = backend::run(workers.parse()?, work) => outcome?, () = ended => {} }
        }
        ["load", url] => tokio::select! { outcome = load::run(url.parse()?) => outcome?, () = ended => {} },
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
