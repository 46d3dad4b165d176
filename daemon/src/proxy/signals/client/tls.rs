//! Whom we trust when we ask over TLS.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Why nobody can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TlsError {
    /// What should be certificates is none.
    #[error("{what}: {why}; give certificates of authorities as PEM")]
    Authority { what: String, why: String },
    /// This system has no authorities.
    #[error(
        "no certificates of authorities are on this system{0}; name those to trust in a Secret (tls.caSecretRef)"
    )]
    NoneHere(String),
    /// A fault of ours.
    #[error("{0}")]
    Setup(String),
}

/// Nobody: for plain text.
pub(super) fn nobody() -> Result<ClientConfig, TlsError> {
    config(RootCertStore::empty())
}

/// The authorities of a text of PEM; `what` says where that is from.
pub(super) fn authorities(pem: &[u8], what: &str) -> Result<ClientConfig, TlsError> {
    let wrong = |why: String| TlsError::Authority { what: what.to_owned(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    config(roots)
}

/// The system's authorities. They are read from files, beside the runtime's threads.
pub(super) async fn system() -> Result<ClientConfig, TlsError> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let found = found.map_err(|error| TlsError::Setup(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(TlsError::NoneHere(why));
    }
    config(roots)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| TlsError::Setup(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
