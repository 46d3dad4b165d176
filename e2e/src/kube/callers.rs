//! Load from inside Kubernetes: a pod whose callers ask a URL, as many as the test wants at the time.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::backend::{ADMIN, IMAGE};
use super::forward::Forward;
use super::place::Place;
use super::restricted;
use crate::http::Http;

/// Callers under way.
#[derive(Debug)]
pub struct Callers {
    http: Http,
    _forward: Forward,
}

/// What came of all their calls so far.
#[derive(Clone, Debug, Deserialize)]
pub struct Tally {
    /// Calls under way.
    pub waiting: usize,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Good answers by what they say: the backend's pod.
    pub answers: BTreeMap<String, u64>,
    /// Calls without an answer, by why.
    pub errors: BTreeMap<String, u64>,
    /// The longest that a good answer took, in milliseconds.
    pub longest_ms: u64,
}

impl Tally {
    /// Answers of this status.
    pub fn of(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    /// Calls without an answer.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

impl Callers {
    /// Starts the pod; nobody calls yet.
    ///
    /// # Panics
    /// When it does not start, in time.
    pub async fn start(place: &Place, name: &str, url: &str) -> Self {
        let mut object = restricted::pod(name, IMAGE, &["load", url]);
        object["spec"]["containers"][0]["readinessProbe"] = restricted::probe("/", ADMIN);
        restricted::make(place, &object).await;
        restricted::ready(place, name).await;
        let forward = Forward::open(place.typed(), name, ADMIN).await;
        Self { http: Http::new(forward.address()), _forward: forward }
    }

    /// So many call from now on, each one call at a time.
    ///
    /// # Panics
    /// When the pod does not answer.
    pub async fn set(&self, callers: usize) {
        self.http.get(&format!("/callers/{callers}")).await;
    }

    /// What came of it so far.
    ///
    /// # Panics
    /// When the pod does not answer.
    pub async fn tally(&self) -> Tally {
        let reply = self.http.get("/").await;
        serde_json::from_slice(&reply.body).unwrap_or_else(|error| panic!("{error}: {}", reply.text()))
    }
}
