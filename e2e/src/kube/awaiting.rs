//! Awaiting what shall become true, with a deadline, and saying what was there instead.

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

/// How often something is looked at that cannot be watched.
const INTERVAL: Duration = Duration::from_millis(50);

/// What `look` finds, once it finds it: it is asked again and again until then.
///
/// # Panics
/// When that takes longer than `deadline`, with what `look` said last.
pub async fn eventually<T, F, Fut>(what: &str, deadline: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let mut last = "nothing was seen yet".to_owned();
    let found = tokio::time::timeout(deadline, async {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match look().await {
                Ok(found) => return found,
                Err(why) => last = why,
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("after {deadline:?} still not: {what}; at the last look: {last}"))
}

/// What `look` finds in the object of this name, once it finds it; the object is watched. `look` gets none
/// while there is no such object.
///
/// # Panics
/// When that takes longer than `deadline`, with what `look` said last.
pub async fn until<K, T>(
    api: &Api<K>,
    name: &str,
    what: &str,
    deadline: Duration,
    mut look: impl FnMut(Option<&K>) -> Result<T, String>,
) -> T
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut last = "nothing was seen yet".to_owned();
    let found = tokio::time::timeout(deadline, async {
        let mut seen = pin!(watch_object(api.clone(), name).default_backoff());
        while let Some(object) = seen.next().await {
            match object.map_err(|error| error.to_string()).and_then(|object| look(object.as_ref())) {
                Ok(found) => return found,
                Err(why) => last = why,
            }
        }
        panic!("the watch of {name} ended");
    });
    found.await.unwrap_or_else(|_| panic!("after {deadline:?} still not: {what}; at the last look: {last}"))
}
