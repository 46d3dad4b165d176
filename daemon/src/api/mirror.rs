//! A copy of some objects that follows the API server, and stays as it was while that is away.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;

use futures_util::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::WATCH_SECONDS;
use super::backoff::Backoff;
use super::failure::{Failure, FailureKind};
use crate::clock;
use crate::metrics::WatchMetrics;

/// What a watch has to tell.
#[derive(Debug)]
pub enum Told<'a, K> {
    /// All objects as they now are, by name.
    All(&'a BTreeMap<String, K>),
    /// It failed, and will be tried again. What was told last still stands.
    Failed(&'a Failure),
}

/// Watches what `config` selects, for ever, and tells `tell` of each change and failure. `what` stands
/// in the log.
pub async fn watch<K>(
    what: &str,
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
    metrics: &WatchMetrics,
    mut tell: impl FnMut(Told<'_, K>),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut events = pin!(watcher(api, config.timeout(WATCH_SECONDS)));
    let mut mirror = Mirror::default();
    let mut backoff = Backoff::default();
    // The stream never ends.
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if matches!(event, Event::Init) {
                    metrics.lists.inc();
                } else {
                    backoff.reset();
                }
                if let Some(invalid) = mirror.take(event) {
                    metrics.invalid.inc();
                    tracing::warn!(watch = what, "an object is left as it was: {invalid}");
                }
                if mirror.is_whole() {
                    tell(Told::All(&mirror.objects));
                }
            }
            Err(error) => {
                let failure = Failure::of(&error);
                metrics.failed(failure.kind).inc();
                let now = clock::tick();
                if backoff.is_well(now) && failure.kind != FailureKind::Gone {
                    tracing::warn!(watch = what, "the Kubernetes API fails, what is known stays: {failure}");
                } else {
                    tracing::debug!(watch = what, "the Kubernetes API fails: {failure}");
                }
                tell(Told::Failed(&failure));
                tokio::time::sleep(backoff.next(now)).await;
            }
        }
    }
}

/// The objects, and a list that is not complete yet.
#[derive(Debug)]
struct Mirror<K> {
    objects: BTreeMap<String, K>,
    listing: Option<BTreeMap<String, K>>,
    listed: bool,
}

impl<K> Default for Mirror<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listing: None, listed: false }
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Mirror<K> {
    /// Takes an event in. An object that cannot be read stays as it was, and what is wrong with it
    /// comes back.
    fn take(&mut self, event: Event<DeserializeGuard<K>>) -> Option<String> {
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitDone => {
                self.objects = self.listing.take().unwrap_or_default();
                self.listed = true;
            }
            Event::Delete(object) => {
                self.objects.remove(&object.name_any());
            }
            Event::Apply(object) | Event::InitApply(object) => {
                let name = object.name_any();
                let (object, wrong) = match object.0 {
                    Ok(object) => (Some(object), None),
                    Err(invalid) => {
                        let text = format!("{name}: {}", invalid.error);
                        (self.objects.get(&name).cloned(), Some(text))
                    }
                };
                if let Some(object) = object {
                    self.listing.as_mut().unwrap_or(&mut self.objects).insert(name, object);
                }
                return wrong;
            }
        }
        None
    }

    /// Whether the objects are all there are: there was a list, and none is under way.
    const fn is_whole(&self) -> bool {
        self.listed && self.listing.is_none()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn object(name: &str, value: &serde_json::Value) -> DeserializeGuard<ConfigMap> {
        let object = json!({ "metadata": { "name": name }, "data": { "key": value } });
        serde_json::from_value(object).unwrap()
    }

    fn values(mirror: &Mirror<ConfigMap>) -> Vec<String> {
        let value = |map: &ConfigMap| map.data.as_ref().and_then(|data| data.get("key")).cloned();
        mirror.objects.values().filter_map(value).collect()
    }

    fn take(mirror: &mut Mirror<ConfigMap>, events: Vec<Event<DeserializeGuard<ConfigMap>>>) -> Vec<String> {
        events.into_iter().filter_map(|event| mirror.take(event)).collect()
    }

    #[test]
    fn a_list_counts_when_it_is_complete_and_replaces_what_was_there() {
        let mut mirror = Mirror::default();
        take(&mut mirror, vec![Event::Init, Event::InitApply(object("a", &json!("1")))]);
        assert!(!mirror.is_whole() && mirror.objects.is_empty());
        take(&mut mirror, vec![Event::InitDone, Event::Apply(object("b", &json!("2")))]);
        assert!(mirror.is_whole());
        assert_eq!(values(&mirror), ["1", "2"]);
        // A list that breaks off changes nothing, and the next one starts anew.
        take(&mut mirror, vec![Event::Init, Event::InitApply(object("c", &json!("3"))), Event::Init]);
        assert!(!mirror.is_whole());
        assert_eq!(values(&mirror), ["1", "2"]);
        take(&mut mirror, vec![Event::InitApply(object("b", &json!("4"))), Event::InitDone]);
        assert_eq!(values(&mirror), ["4"]);
        take(&mut mirror, vec![Event::Delete(object("b", &json!("4")))]);
        assert!(mirror.is_whole() && mirror.objects.is_empty());
    }

    #[test]
    fn an_object_that_cannot_be_read_stays_as_it_was_and_stops_no_other() {
        let mut mirror = Mirror::default();
        let wrong = take(
            &mut mirror,
            vec![
                Event::Init,
                Event::InitApply(object("a", &json!("1"))),
                Event::InitApply(object("b", &json!(5))),
                Event::InitDone,
                Event::Apply(object("a", &json!(6))),
                Event::Apply(object("c", &json!("2"))),
            ],
        );
        assert_eq!(values(&mirror), ["1", "2"]);
        assert!(wrong.len() == 2 && wrong[0].starts_with("b: ") && wrong[1].starts_with("a: "), "{wrong:?}");
    }
}
