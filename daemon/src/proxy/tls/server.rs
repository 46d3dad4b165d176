//! TLS with callers.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::{Made, Secrets, TlsError, Values, certificates};
use crate::proxy::policy::ListenerTls;

/// TLS of one listener.
pub struct ServerTls {
    declared: ListenerTls,
    made: Made<ServerConfig>,
    good: ArcSwapOption<ServerConfig>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("declared", &self.declared).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// As declared.
    #[must_use]
    pub fn new(declared: &ListenerTls, secrets: Secrets) -> Self {
        Self { declared: declared.clone(), made: Made::of(secrets), good: ArcSwapOption::empty() }
    }

    /// What the next connection is to be accepted with: the certificate as it is now, and while that
    /// cannot be used, the last one that could.
    ///
    /// # Errors
    /// Where there has been none yet that could be used.
    pub fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        match self.check() {
            Ok(config) => Ok(config),
            Err(error) => self.good.load_full().ok_or(error),
        }
    }

    /// The certificate as it is now.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub fn check(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let config = self.made.get(|values| self.make(values))?;
        self.good.store(Some(Arc::clone(&config)));
        Ok(config)
    }

    fn make(&self, values: &Values) -> Result<ServerConfig, TlsError> {
        let ListenerTls { certificate, key } = &self.declared;
        let chain = certificates(values, certificate)?;
        let secret = PrivateKeyDer::from_pem_slice(values.get(key)?)
            .map_err(|_| TlsError::NotPem(key.clone(), "private key"))?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| TlsError::Provider(error.to_string()))?
                .with_no_client_auth()
                .with_single_cert(chain, secret)
                .map_err(|error| TlsError::Mismatch {
                    certificate: Box::new(certificate.clone()),
                    key: Box::new(key.clone()),
                    fault: error.to_string(),
                })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
