//! The client of the API server: every request counted, none waited for without end.

mod observe;

use std::{sync::Arc, time::Duration};

use kube::{Client, Config, client::ClientBuilder, config::InferConfigError};

pub use self::observe::{Observe, ObserveLayer};
use crate::metrics::Metrics;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection may be silent in the middle of an answer: more than a watch lasts.
const SILENCE: Duration = Duration::from_secs(90);
/// What the API server calls us in its audit log.
const USER_AGENT: &str = concat!("wicketgate-operator/", env!("CARGO_PKG_VERSION"));

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing says where the API server is.
    #[error("no Kubernetes to speak to: neither a service account of a pod nor a kubeconfig; set KUBECONFIG")]
    Config(#[source] InferConfigError),
    /// What says so cannot be used.
    #[error("the Kubernetes configuration cannot be used")]
    Build(#[source] kube::Error),
}

/// A client by the pod's service account, `KUBECONFIG` or `~/.kube/config`.
///
/// # Errors
/// Where none of them is there, or it is broken.
pub async fn client(metrics: Arc<Metrics>) -> Result<Client, ClientError> {
    let mut config = Config::infer().await.map_err(ClientError::Config)?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    // Waiting is done in one place, for each object by itself: a request that is repeated down here
    // is neither counted nor seen, and holds up a reconcile for up to a quarter of an hour.
    config.default_retry = false;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT)));
    let builder = ClientBuilder::try_from(config).map_err(ClientError::Build)?;
    Ok(builder.with_layer(&ObserveLayer::new(metrics)).build())
}
