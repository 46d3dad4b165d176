//! The Kubernetes API as a node uses it: it watches, and writes nothing.

mod backoff;
mod failure;
mod mirror;

use std::time::Duration;

use kube::{Client, Config};

pub use self::failure::{Failure, FailureKind};
pub(crate) use self::failure::{chain, shorten};
pub use self::mirror::{Told, watch};

/// How long a watch lasts before it is asked for anew: the API server ends it then, and one that has
/// fallen silent is noticed five seconds later.
const WATCH_SECONDS: u32 = 60;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long any answer may be silent; above the time of a watch, which says nothing where nothing
/// happens.
const SILENCE: Duration = Duration::from_secs(70);

/// How long a node that starts waits for the API server before it makes do with what it has.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no way to the API.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nothing says where it is.
    #[error(
        "cannot tell where the Kubernetes API is: {0}; run in a pod whose service account's token is mounted, or name \
         a file in KUBECONFIG"
    )]
    Nowhere(#[source] Box<kube::config::InferConfigError>),
    /// What says where it is makes no client.
    #[error("cannot set up a client of the Kubernetes API: {0}")]
    Client(#[source] Box<kube::Error>),
}

/// A client of the cluster that this pod runs in, or that KUBECONFIG names. Nothing is sent yet; the
/// token and the authority's certificate are read again while running, since they change.
///
/// # Errors
/// Where nothing says where the API is, or credentials cannot be read.
pub async fn connect() -> Result<Client, ApiError> {
    // Only the first one can be installed; they are all the same.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut config = Config::infer().await.map_err(|error| ApiError::Nowhere(Box::new(error)))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    // Our own back-off is the only one.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| ApiError::Client(Box::new(error)))
}
