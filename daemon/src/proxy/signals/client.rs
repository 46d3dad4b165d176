//! One Prometheus, asked over HTTP. The texts of failures are throttle-proxy's as far as it has them.

mod request;
mod tls;
mod url;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use self::request::Written;
use self::tls::TlsError;
use self::url::{Base, UrlError};
use super::answer::{self, Answered};
use crate::api::{chain, shorten};
use crate::proxy::policy::{Auth, Prometheus};
use crate::proxy::secrets::{Secrets, Values};

/// The longest answer that is read. A signal is one number, so a longer one is a wrong query.
const MAX_BODY: usize = 1 << 20;
/// The longest that an idle connection is kept; well above the usual interval.
const IDLE: Duration = Duration::from_secs(90);
/// Idle connections that are kept: one for each query that is asked in the same instant, within reason.
const MAX_IDLE: usize = 8;

/// An answer, or why there is none, in a text without secrets.
pub(super) type Outcome = Result<Answered, String>;

/// Somebody who can be asked.
pub(super) trait Ask: Send + Sync {
    fn ask<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Outcome>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum AskError {
    #[error("parse monitor URL: {0}")]
    Url(String),
    #[error("create request: {0}")]
    Create(String),
    #[error("execute request: {0}")]
    Execute(String),
    #[error("execute request: no answer within {0:?}")]
    Late(Duration),
    #[error("unexpected status code: {}{more}", .code.as_u16())]
    Status { code: StatusCode, more: String },
    #[error("decode response: {0}")]
    Decode(String),
}

impl From<UrlError> for AskError {
    fn from(error: UrlError) -> Self {
        Self::Url(error.to_string())
    }
}

impl From<TlsError> for AskError {
    fn from(error: TlsError) -> Self {
        Self::Create(error.to_string())
    }
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client, and the authorities that it trusts.
struct Built {
    ca: Option<Vec<u8>>,
    client: HttpClient,
}

/// A server and how it is asked. Its questions share its connections.
pub(super) struct Server {
    asked: Prometheus,
    base: Result<Base, UrlError>,
    secrets: Secrets,
    built: Mutex<Option<Built>>,
}

impl Server {
    pub(super) fn new(asked: Prometheus, secrets: Secrets) -> Self {
        let base = Base::parse(&asked.url);
        Self { asked, base, secrets, built: Mutex::default() }
    }

    async fn exchange(&self, query: &str, hidden: &mut Vec<String>) -> Result<Answered, AskError> {
        let base = self.base.as_ref().map_err(Clone::clone)?;
        let values = self.secrets.now();
        let Written { request, secrets } = request::write(&self.asked, base, query, &values)?;
        *hidden = secrets;
        let client = self.client(base, &values).await?;
        let answer = client.request(request).await.map_err(|error| failed(base, &error))?;
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            let more = self.more(head.status, &head.headers, body).await;
            return Err(AskError::Status { code: head.status, more });
        }
        let body = read(body).await.map_err(AskError::Decode)?;
        answer::read(&body).map_err(|error| AskError::Decode(error.to_string()))
    }

    /// The client for the authorities that count now.
    async fn client(&self, base: &Base, values: &Values) -> Result<HttpClient, AskError> {
        let over_tls = base.origin.starts_with("https:");
        let ca = match self.asked.ca.as_ref().filter(|_| over_tls) {
            Some(key) => {
                Some((key, values.get(key).map_err(|missing| AskError::Create(missing.to_string()))?))
            }
            None => None,
        };
        let lock = || self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(built) = &*lock()
            && built.ca.as_deref() == ca.map(|(_, pem)| pem)
        {
            return Ok(built.client.clone());
        }
        let trust = match ca {
            Some((key, pem)) => tls::authorities(pem, &key.to_string())?,
            None if over_tls => tls::system().await?,
            None => tls::nobody()?,
        };
        let client = connect(trust, self.asked.timeout);
        *lock() = Some(Built { ca: ca.map(|(_, pem)| pem.to_vec()), client: client.clone() });
        Ok(client)
    }

    /// What more there is to say of a status: the server's own words, or what to do.
    async fn more(&self, code: StatusCode, headers: &HeaderMap, body: Incoming) -> String {
        if code.is_redirection() {
            let to = headers.get(LOCATION).and_then(|value| value.to_str().ok()).map(url::shown);
            let to = to.unwrap_or_else(|| "nowhere".to_owned());
            return format!(
                ": it leads to {to}, and redirects are not followed; give the address that answers"
            );
        }
        let told = read(body).await.ok().and_then(|body| answer::read_failure(&body));
        match (told, code, &self.asked.auth) {
            (Some(told), ..) => format!(": {told}"),
            (None, StatusCode::UNAUTHORIZED, Auth::None) => ": the server wants to know who asks".to_owned(),
            (None, StatusCode::UNAUTHORIZED, _) => ": the server does not take the credentials".to_owned(),
            (None, StatusCode::NOT_FOUND, _) => {
                ": /api/v1/query is put behind the address, and there is nothing".to_owned()
            }
            _ => String::new(),
        }
    }
}

impl Ask for Server {
    fn ask<'a>(&'a self, query: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (mut hidden, bound) = (Vec::new(), self.asked.timeout);
            let outcome = tokio::time::timeout(bound, self.exchange(query, &mut hidden)).await;
            let outcome = outcome.unwrap_or(Err(AskError::Late(bound)));
            outcome.map_err(|error| tidy(error.to_string(), &hidden))
        })
    }
}

fn connect(trust: rustls::ClientConfig, timeout: Duration) -> HttpClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeout));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(trust)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .build(connector)
}

/// Why no answer began.
fn failed(base: &Base, error: &hyper_util::client::legacy::Error) -> AskError {
    let mut text = match std::error::Error::source(error).filter(|_| error.is_connect()) {
        Some(cause) => format!("cannot connect to {}: {}", base.origin, chain(cause)),
        None => chain(error),
    };
    if text.contains("UnknownIssuer") || text.contains("BadSignature") {
        text.push_str("; name the authority that signed the server's certificate in tls.caSecretRef");
    }
    AskError::Execute(text)
}

/// A body, as far as it is worth reading.
async fn read(body: Incoming) -> Result<Bytes, String> {
    let read = Limited::new(body, MAX_BODY).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            format!("it is longer than {MAX_BODY} bytes; aggregate in the query, so that few series are left")
        } else {
            chain(&*error)
        }
    })
}

/// A text that can be shown: short, on one line, and without what is secret, whoever put it there.
fn tidy(mut text: String, hidden: &[String]) -> String {
    for secret in hidden {
        text = text.replace(secret, "…");
    }
    shorten(text.replace(|letter: char| letter.is_control(), " "))
}

#[cfg(test)]
mod tests;
