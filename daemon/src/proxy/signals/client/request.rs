//! A question as it is written: address, headers, and who asks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crds::credentials::SecretKey;
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Empty;

use super::AskError;
use super::url::Base;
use crate::proxy::policy::{Auth, Prometheus};
use crate::proxy::secrets::Values;

/// How we call ourselves.
const AGENT: &str = concat!("wicketgated/", env!("CARGO_PKG_VERSION"));
/// Headers that say how a message is carried, which is for us to say.
const OURS: [&str; 7] =
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// A question, and the secrets in it, which no text may show.
pub(super) struct Written {
    pub(super) request: Request<Empty<Bytes>>,
    pub(super) secrets: Vec<String>,
}

pub(super) fn write(
    asked: &Prometheus,
    base: &Base,
    query: &str,
    values: &Values,
) -> Result<Written, AskError> {
    let create = |text: String| AskError::Create(text);
    let uri = base.question(query).map_err(|error| AskError::Url(error.to_string()))?;
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    for (name, value) in &asked.headers {
        let parsed: HeaderName =
            name.parse().map_err(|_| create(format!("{name:?} is not the name of a header")))?;
        if OURS.contains(&parsed.as_str()) {
            return Err(create(format!("the header {name} is not for you to set; leave it out")));
        }
        let value: HeaderValue =
            value.parse().map_err(|_| create(format!("the value of the header {name} cannot be sent")))?;
        headers.insert(parsed, value);
    }
    let mut secrets = Vec::new();
    if let Some(who) = authorization(&asked.auth, base, values, &mut secrets)? {
        headers.insert(AUTHORIZATION, who);
    }
    // The longest first, so that none leaves the rest of another behind.
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    Ok(Written { request, secrets })
}

fn authorization(
    auth: &Auth,
    base: &Base,
    values: &Values,
    secrets: &mut Vec<String>,
) -> Result<Option<HeaderValue>, AskError> {
    let mut basic = |name: &str, password: &str| {
        let both = STANDARD.encode(format!("{name}:{password}"));
        let text = format!("Basic {both}");
        secrets.extend([password.to_owned(), both]);
        text
    };
    let (text, what) = match auth {
        Auth::None => match &base.login {
            Some((name, password)) => {
                (basic(name, password), "the name and password of the address".to_owned())
            }
            None => return Ok(None),
        },
        Auth::Bearer(key) => {
            let token = text(values, key)?;
            secrets.push(token.to_owned());
            (format!("Bearer {token}"), key.to_string())
        }
        Auth::Basic { username, password } => {
            (basic(text(values, username)?, text(values, password)?), password.to_string())
        }
    };
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| AskError::Create(format!("{what} holds what no header may, such as a line break")))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// A secret as text, without the line break that editors and `echo` put at a file's end.
fn text<'a>(values: &'a Values, key: &SecretKey) -> Result<&'a str, AskError> {
    let value = values.get(key).map_err(|missing| AskError::Create(missing.to_string()))?;
    let text = std::str::from_utf8(value).map_err(|_| AskError::Create(format!("{key} is no text")))?;
    Ok(text.trim_end_matches(['\r', '\n']))
}
