//! One connection of a load, and the one that takes its place.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use proto::gubernator::v1_client::V1Client;
use tonic::transport::{Channel, Endpoint};

/// What several callers share.
#[derive(Debug)]
pub(super) struct Line {
    endpoint: Endpoint,
    client: Mutex<V1Client<Channel>>,
    calls: AtomicUsize,
    reconnect_every: Option<usize>,
}

impl Line {
    /// Connects, so that only calls are timed.
    pub(super) async fn connect(
        endpoint: Endpoint,
        reconnect_every: Option<usize>,
    ) -> Result<Self, tonic::transport::Error> {
        let client = Mutex::new(V1Client::new(endpoint.connect().await?));
        Ok(Self { endpoint, client, calls: AtomicUsize::new(0), reconnect_every })
    }

    /// The client for the next call. The name is resolved anew for a new connection; calls under way
    /// stay on the old one.
    pub(super) fn next(&self) -> V1Client<Channel> {
        let nth = self.calls.fetch_add(1, Relaxed);
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if nth > 0 && self.reconnect_every.is_some_and(|every| nth.is_multiple_of(every)) {
            *client = V1Client::new(self.endpoint.connect_lazy());
        }
        client.clone()
    }
}
