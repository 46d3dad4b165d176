//! A backend in pods of its own: few workers, and a queue that has no end.

use serde_json::json;

use super::forward::Forward;
use super::place::Place;
use super::restricted;
use crate::http::Http;

/// The image of the program `test-pod`.
pub const IMAGE: &str = "docker.io/wicketgate/test-pod:dev";
/// The port that tests ask, and Prometheus.
pub const ADMIN: u16 = 8081;
/// The port of traffic on the pods; its Service has it as port 80.
const TRAFFIC: u16 = 8080;

/// One pod of a backend.
#[derive(Debug)]
pub struct Backend {
    http: Http,
    _forward: Forward,
}

/// How a backend is.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Requests that it has and has not answered.
    pub in_progress: i64,
    /// The most that there ever were.
    pub most: i64,
    /// Those that it has answered.
    pub answered: i64,
}

impl Backend {
    /// Starts one pod behind a Service of the same name, and awaits that it serves. It works on `workers`
    /// requests at once, each for `milliseconds`.
    ///
    /// # Panics
    /// When it does not, in time.
    pub async fn start(place: &Place, name: &str, workers: u32, milliseconds: u32) -> Self {
        restricted::service(place, name, &[(80, TRAFFIC), (ADMIN, ADMIN)]).await;
        Self::join(place, name, name, (workers, milliseconds)).await
    }

    /// Starts one more pod behind the Service of a backend.
    ///
    /// # Panics
    /// When it does not serve, in time.
    pub async fn join(place: &Place, service: &str, pod: &str, (workers, milliseconds): (u32, u32)) -> Self {
        let (workers, work) = (workers.to_string(), milliseconds.to_string());
        let mut object = restricted::pod(pod, IMAGE, &["backend", &workers, &work]);
        object["metadata"]["labels"] = json!({"app": service});
        object["spec"]["containers"][0]["readinessProbe"] = restricted::probe("/", ADMIN);
        restricted::make(place, &object).await;
        restricted::ready(place, pod).await;
        let forward = Forward::open(place.typed(), pod, ADMIN).await;
        Self { http: Http::new(forward.address()), _forward: forward }
    }

    /// How it is now.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn read(&self) -> Reading {
        let text = self.http.get("/metrics").await.text();
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
        };
        Reading {
            in_progress: number("backend_in_progress"),
            most: number("backend_in_progress_most"),
            answered: number("backend_answered_total"),
        }
    }

    /// Answers the requests of `/hold/NAME`, and those that come.
    ///
    /// # Panics
    /// When it does not listen.
    pub async fn release(&self, name: &str) {
        self.http.get(&format!("/release/{name}")).await;
    }
}
