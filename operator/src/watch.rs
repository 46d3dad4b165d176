//! Watches: one stream a kind and namespace fills a cache and says whom an event concerns.
//!
//! Nothing polls. A watch that fails is taken up again after a pause that grows to five seconds, so that an
//! API server that was away finds everybody back soon and not all at once.

use std::{fmt::Debug, hash::Hash, time::Duration};

use futures_util::{Stream, StreamExt as _};
use kube::{
    Resource,
    runtime::{
        WatchStreamExt as _,
        reflector::{Lookup, store::Writer},
        utils::Backoff,
        watcher::{self, Event},
    },
};

use crate::{
    backoff::{doubled, spread},
    context::Context,
    random,
    wake::Wake,
};

/// How long one watch call lasts. A connection that has silently gone is noticed after this time.
const WATCH_SECONDS: u32 = 60;

/// What every watch asks for.
#[must_use]
pub fn config() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS)
}

/// From 100 ms to 5 s, with jitter; back to the start with the first success.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
}

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let delay = doubled(Duration::from_millis(100), Duration::from_secs(5), self.failures);
        self.failures = self.failures.saturating_add(1);
        Some(spread(delay, random::bits()))
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Says whom an event concerns.
pub trait Concerns<K> {
    /// Looks at an event that the cache has taken already.
    fn of(&mut self, event: &Event<K>, context: &Context) -> Vec<Wake>;
}

/// Fills a cache from `stream`, and wakes whom its events concern. Ends with the stream, which never ends
/// by itself.
pub async fn drive<K, C>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    writer: Writer<K>,
    resource: &'static str,
    mut concerns: C,
    context: &Context,
) where
    K: Resource + Lookup<DynamicType = <K as Resource>::DynamicType> + Clone + Debug,
    <K as Resource>::DynamicType: Eq + Hash + Clone,
    C: Concerns<K>,
{
    let stream = stream.backoff(Pause::default()).reflect(writer);
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => {
                for wake in concerns.of(&event, context) {
                    context.wakes.wake(wake, &context.caches).await;
                }
            }
            Err(error) => {
                context.metrics.watch_restarted(resource);
                tracing::warn!(resource, %error, "a watch failed and is taken up again");
            }
        }
    }
}
