//! TLS with upstreams and with callers, by certificates that may change at any time.

mod client;
mod server;

use std::sync::{Arc, Mutex, PoisonError};

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

/// Something made of secrets, made anew when they change.
struct Made<T> {
    secrets: Secrets,
    last: Mutex<Option<Last<T>>>,
}

/// What was made last, and of what.
type Last<T> = (Arc<Values>, Result<Arc<T>, TlsError>);

impl<T> Made<T> {
    const fn of(secrets: Secrets) -> Self {
        Self { secrets, last: Mutex::new(None) }
    }

    /// What was made last while the secrets are as they were; else what `make` makes of them.
    fn get(&self, make: impl FnOnce(&Values) -> Result<T, TlsError>) -> Result<Arc<T>, TlsError> {
        let now = self.secrets.now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((values, made)) = &*last
            && Arc::ptr_eq(values, &now)
        {
            return made.clone();
        }
        let made = make(&now).map(Arc::new);
        *last = Some((now, made.clone()));
        made
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
