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
    /// Whether something has come since the last failure.
    begun: bool,
}

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let delay = doubled(Duration::from_millis(100), Duration::from_secs(5), self.failures);
        self.failures = self.failures.saturating_add(1);
        self.begun = false;
        Some(spread(delay, random::bits()))
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {
        // What comes first only says that a list is about to be asked for. That is no success, or a list
        // that fails at once would be asked for again at once, for as long as it fails.
        if self.begun {
            self.failures = 0;
        }
        self.begun = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A watcher whose list fails: it says that it begins, and then that it cannot.
    fn fail(pause: &mut Pause) -> Duration {
        pause.reset();
        pause.next().unwrap()
    }

    #[test]
    fn a_list_that_fails_is_asked_for_ever_more_seldom() {
        let mut pause = Pause::default();
        let waits: Vec<_> = (0..12).map(|_| fail(&mut pause)).collect();
        assert!(waits[0] <= Duration::from_millis(150), "{waits:?}");
        assert!(waits[8..].iter().all(|wait| *wait >= Duration::from_millis(2_500)), "{waits:?}");
    }

    #[test]
    fn what_was_listed_ends_the_patience() {
        let mut pause = Pause::default();
        for _ in 0..12 {
            fail(&mut pause);
        }
        // It begins, and it has everything.
        pause.reset();
        pause.reset();
        assert!(pause.next().unwrap() <= Duration::from_millis(150));
    }
}
