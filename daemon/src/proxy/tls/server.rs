//! TLS with callers.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::{Made, Secrets, Standing, TlsError, Values, certificates};
use crate::proxy::policy::ListenerTls;

/// TLS of one listener. Clones share it.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    declared: ListenerTls,
    made: Made<ServerConfig>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("declared", &self.0.declared).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// As declared.
    #[must_use]
    pub fn new(declared: &ListenerTls, secrets: Secrets) -> Self {
        let ListenerTls { certificate, key } = declared.clone();
        let made = Made::of([certificate, key].into(), secrets);
        Self(Arc::new(Inner { declared: declared.clone(), made }))
    }

    /// Whether it is what would be made of this. Then it can go on, with what it remembers.
    #[must_use]
    pub fn is(&self, declared: &ListenerTls) -> bool {
        self.0.declared == *declared
    }

    /// What the next connection is to be accepted with: the certificate as it is now, and while that
    /// cannot be used, the last one that could.
    ///
    /// # Errors
    /// Where there has been none yet that could be used.
    pub fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        self.0.made.usable(|values| self.0.make(values))
    }

    /// How the certificate in use stands to the one in the Secret.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.0.made.standing(|values| self.0.make(values))
    }
}

impl Inner {
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
