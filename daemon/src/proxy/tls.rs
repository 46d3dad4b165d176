//! TLS with upstreams and with callers, by certificates that may change at any time.

mod client;
mod server;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use crds::credentials::SecretKey;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::secrets::{Missing, Secrets, Values};

pub use self::client::{Alpn, ClientTls};
pub use self::server::ServerTls;

/// Why TLS cannot be spoken. No contents of Secrets stand in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A Secret is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A Secret holds something else.
    #[error("{0} holds no {1}; put one there in PEM")]
    NotPem(SecretKey, &'static str),
    /// A certificate among those to trust cannot be used.
    #[error("{0} holds a certificate that cannot be trusted: {1}")]
    Untrustworthy(SecretKey, String),
    /// The certificate and the key cannot be used.
    #[error("{certificate} and {key} cannot be used together: {fault}")]
    Mismatch {
        /// Where the certificate is.
        certificate: Box<SecretKey>,
        /// Where the key is.
        key: Box<SecretKey>,
        /// Why.
        fault: String,
    },
    /// The system has no certificates.
    #[error(
        "the system has no certificates to trust ({0}); name a Secret with a CA in spec.upstream.tls.caSecretRef"
    )]
    NoRoots(String),
    /// The name cannot be in a certificate.
    #[error("{0:?} is no name that a certificate could have; use a DNS name or an address")]
    Name(String),
    /// The versions of TLS that we speak are not there, which would be a fault of ours.
    #[error("TLS is not there: {0}")]
    Provider(String),
}

/// How what is made of Secrets stands to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is made of them as they are.
    Current,
    /// They cannot be used as they are, and what was made of them before is in use.
    Outdated(TlsError),
    /// They cannot be used, and never could.
    Unusable(TlsError),
}

/// Something made of secrets, made anew when those that it is made of change.
struct Made<T> {
    secrets: Secrets,
    /// What it is made of.
    keys: Box<[SecretKey]>,
    last: Mutex<Option<Last<T>>>,
    /// The last one that could be made.
    good: ArcSwapOption<T>,
}

/// What was made last, and of what.
struct Last<T> {
    values: Arc<Values>,
    made: Result<Arc<T>, TlsError>,
}

impl<T> Made<T> {
    const fn of(keys: Box<[SecretKey]>, secrets: Secrets) -> Self {
        Self { secrets, keys, last: Mutex::new(None), good: ArcSwapOption::const_empty() }
    }

    /// What can be made of the secrets as they are; while that is nothing, the last that could.
    fn usable(&self, make: impl FnOnce(&Values) -> Result<T, TlsError>) -> Result<Arc<T>, TlsError> {
        self.get(make).or_else(|error| self.good.load_full().ok_or(error))
    }

    fn standing(&self, make: impl FnOnce(&Values) -> Result<T, TlsError>) -> Standing {
        match self.get(make) {
            Ok(_) => Standing::Current,
            Err(error) if self.good.load().is_some() => Standing::Outdated(error),
            Err(error) => Standing::Unusable(error),
        }
    }

    /// What was made last while its own secrets are as they were; else what `make` makes of them.
    fn get(&self, make: impl FnOnce(&Values) -> Result<T, TlsError>) -> Result<Arc<T>, TlsError> {
        let now = self.secrets.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &mut *last
            && self.same(&last.values, &now)
        {
            // Those before are not kept for the sake of others that have changed.
            last.values = now;
            return last.made.clone();
        }
        let made = make(&now).map(Arc::new);
        match &made {
            Ok(made) => self.good.store(Some(Arc::clone(made))),
            Err(error)
                if self.good.load().is_some() && !last.as_ref().is_some_and(|last| last.says(error)) =>
            {
                tracing::error!(%error, "a Secret has changed and cannot be used: TLS goes on as it was");
            }
            Err(_) => {}
        }
        *last = Some(Last { values: now, made: made.clone() });
        made
    }

    /// Whether what it is made of is the same in both.
    fn same(&self, before: &Arc<Values>, now: &Arc<Values>) -> bool {
        Arc::ptr_eq(before, now) || self.keys.iter().all(|key| before.get(key) == now.get(key))
    }
}

impl<T> Last<T> {
    /// Whether it could not be made for this reason.
    fn says(&self, error: &TlsError) -> bool {
        self.made.as_ref().is_err_and(|known| known == error)
    }
}

/// The certificates that a Secret holds.
fn certificates(values: &Values, key: &SecretKey) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = |_| TlsError::NotPem(key.clone(), "certificate");
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(values.get(key)?).collect::<Result<_, _>>().map_err(none)?;
    if found.is_empty() { Err(TlsError::NotPem(key.clone(), "certificate")) } else { Ok(found) }
}

#[cfg(test)]
mod tests;
