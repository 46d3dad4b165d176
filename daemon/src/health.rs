//! `wicketgated health`: asks a node's HTTP door whether it is healthy, for probes and people.

use std::{fmt, io, io::Write as _, time::Duration};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Response, StatusCode, Uri, body::Bytes, body::Incoming, http::uri::InvalidUri};
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::TokioExecutor,
};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    args::{Exit, Health},
    settings::{Address, HealthSettings, Problems, Source},
};

const PATH: &str = "/v1/HealthCheck";

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long one answer may take; a probe that hangs is worth less than one that fails.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longer answers are not read; a ring of 1,000 peers has 100 kB.
const MAX_BODY: usize = 4 << 20;

/// Why it cannot be said that the node is healthy.
#[derive(Debug, Error)]
pub enum HealthError {
    /// The settings are wrong.
    #[error("{0}")]
    Settings(#[from] Problems),
    /// The URL is none.
    #[error("{url:?} is no URL to ask ({reason}); give http://HOST:PORT")]
    Url {
        /// As given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The node does not answer, or something else answers.
    #[error("{url} does not answer as a node does: {reason}")]
    Unreachable {
        /// What was asked.
        url: Uri,
        /// What happened.
        reason: String,
    },
    /// The node says that it is not healthy.
    #[error("{url} is unhealthy: {reason}")]
    Unhealthy {
        /// What was asked.
        url: Uri,
        /// What the node said.
        reason: String,
    },
}

impl HealthError {
    /// How the process ends because of this.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Url { .. } => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unavailable,
            Self::Unhealthy { .. } => Exit::Unhealthy,
        }
    }
}

/// A node that said it is healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healthy {
    url: Uri,
    peers: u64,
}

impl fmt::Display for Healthy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is healthy, peers: {}", self.url, self.peers)
    }
}

/// The part of a HealthCheckResp, or of an error, that matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    status: String,
    message: String,
    peer_count: u64,
}

/// Asks, asks again, and prints the answer: health on stdout, everything else on stderr.
pub async fn run(arguments: &Health, environment: &dyn Source) -> Exit {
    match ask(arguments, environment).await {
        Ok(healthy) => {
            let _ = writeln!(io::stdout().lock(), "{healthy}");
            Exit::Ok
        }
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "error: {error}");
            error.exit()
        }
    }
}

/// Asks until the node is healthy or the tries are used up: one, and `GUBER_HTTP_RETRY_COUNT` more.
///
/// # Errors
/// With what the last try came to.
pub async fn ask(arguments: &Health, environment: &dyn Source) -> Result<Healthy, HealthError> {
    let settings = HealthSettings::read(environment)?;
    let url = match &arguments.url {
        Some(url) => parse_url(url)?,
        None => parse_url(own_url(&settings.http_address).as_str())?,
    };
    let mut tries_left = settings.retries;
    loop {
        match ask_once(&url).await {
            Ok(healthy) => return Ok(healthy),
            Err(error) if tries_left == 0 => return Err(error),
            Err(error) => {
                tracing::debug!(%error, tries_left, "asking again");
                tries_left -= 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn ask_once(url: &Uri) -> Result<Healthy, HealthError> {
    let unreachable = |reason: String| HealthError::Unreachable { url: url.clone(), reason };
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let exchange = async {
        let answer = client.get(url.clone()).await.map_err(|error| unreachable(render_cause(&error)))?;
        read(answer).await.map_err(unreachable)
    };
    let (status, said) = tokio::time::timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| unreachable(format!("no answer within {} s", TIMEOUT.as_secs())))??;
    // A node that is not on the ring, or is stopping, answers 503 with the reason in an error's body.
    match said {
        Some(said) if status == StatusCode::OK && said.status == "healthy" => {
            Ok(Healthy { url: url.clone(), peers: said.peer_count })
        }
        Some(said) if status == StatusCode::OK && !said.status.is_empty() => {
            Err(HealthError::Unhealthy { url: url.clone(), reason: said.message })
        }
        Some(said) if status == StatusCode::SERVICE_UNAVAILABLE => {
            Err(HealthError::Unhealthy { url: url.clone(), reason: said.message })
        }
        _ => Err(unreachable(format!("HTTP {status}"))),
    }
}

async fn read(answer: Response<Incoming>) -> Result<(StatusCode, Option<Said>), String> {
    let status = answer.status();
    let body =
        Limited::new(answer.into_body(), MAX_BODY).collect().await.map_err(|error| error.to_string())?;
    Ok((status, serde_json::from_slice(&body.to_bytes()).ok()))
}

/// The URL of the node on this machine; one that listens on every interface is asked at our own.
fn own_url(address: &Address) -> String {
    let own = Address::new("localhost", address.port());
    format!("http://{}", if address.is_unspecified() { &own } else { address })
}

/// Completes what a person types: `host:port`, `http://host:port`, or the whole URL.
fn parse_url(text: &str) -> Result<Uri, HealthError> {
    let wrong = |reason: String| HealthError::Url { url: text.to_owned(), reason };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: Uri = with_scheme.parse().map_err(|error: InvalidUri| wrong(error.to_string()))?;
    if url.scheme_str() != Some("http") {
        return Err(wrong("only http is spoken in this version".to_owned()));
    }
    let authority = url.authority().map(ToString::to_string).unwrap_or_default();
    let path = if url.path() == "/" { PATH } else { url.path() };
    format!("http://{authority}{path}").parse().map_err(|error: InvalidUri| wrong(error.to_string()))
}

/// The innermost cause says what happened; what wraps it says "client error (Connect)".
fn render_cause(error: &ClientError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
