//! Further namespaces of a test.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::Value;

use super::place::Place;
use super::story::{make, remove};
use super::{connection, diagnosis};

/// Runs `tell` with a namespace beside `place` for each of `wanted`, of this suffix and with these labels.
/// They are removed afterwards, also where `tell` fails; then what is in them is printed.
///
/// # Panics
/// When `tell` does, or when one cannot be made.
pub async fn beside<F, Fut>(place: &Place, wanted: &[(&str, Value)], tell: F)
where
    F: FnOnce(Vec<Place>) -> Fut,
    Fut: Future<Output = ()>,
{
    let namespace = |suffix: &str| format!("{}-{suffix}", place.namespace);
    let places: Vec<Place> = wanted.iter().map(|(suffix, _)| place.elsewhere(&namespace(suffix))).collect();
    let told = AssertUnwindSafe(async {
        for ((_, labels), place) in wanted.iter().zip(&places) {
            make(&place.client, &place.namespace, labels.clone()).await;
        }
        tell(places.clone()).await;
    });
    let told = told.catch_unwind().await;
    if told.is_err() {
        for place in &places {
            connection::say(&diagnosis::of(place).await);
        }
    }
    join_all(places.iter().map(|place| remove(&place.client, &place.namespace))).await;
    if let Err(panic) = told {
        std::panic::resume_unwind(panic);
    }
}
