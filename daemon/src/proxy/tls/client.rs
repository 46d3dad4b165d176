//! TLS with upstreams.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use super::{Made, Secrets, Standing, TlsError, Values, certificates};
use crate::proxy::policy::UpstreamTls;

/// What may be spoken over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// What the other side likes better.
    Either,
}

/// TLS with one upstream.
pub struct ClientTls {
    declared: UpstreamTls,
    name: Result<ServerName<'static>, TlsError>,
    configs: Made<Configs>,
}

struct Configs {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    either: Arc<ClientConfig>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("declared", &self.declared).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// As declared, with `host`, whose certificate must be for that name.
    #[must_use]
    pub fn new(declared: &UpstreamTls, host: &str, secrets: Secrets) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name(host.to_owned()));
        Self { declared: declared.clone(), name, configs: Made::of(secrets) }
    }

    /// Whom to expect, and how to speak with them: those to trust as they are declared now, and while that
    /// cannot be used, the last who could be.
    ///
    /// # Errors
    /// Where there has been nobody to trust yet.
    pub fn config(&self, alpn: Alpn) -> Result<(ServerName<'static>, Arc<ClientConfig>), TlsError> {
        let configs = self.configs.usable(|values| self.make(values))?;
        let config = match alpn {
            Alpn::Http1 => &configs.http1,
            Alpn::Http2 => &configs.http2,
            Alpn::Either => &configs.either,
        };
        Ok((self.name.clone()?, Arc::clone(config)))
    }

    /// How those who are trusted stand to the Secret that names them.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.name {
            Ok(_) => self.configs.standing(|values| self.make(values)),
            Err(error) => Standing::Unusable(error.clone()),
        }
    }

    fn make(&self, values: &Values) -> Result<Configs, TlsError> {
        Configs::new(self.roots(values)?)
    }

    fn roots(&self, values: &Values) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if let Some(key) = &self.declared.ca {
            for certificate in certificates(values, key)? {
                roots
                    .add(certificate)
                    .map_err(|error| TlsError::Untrustworthy(key.clone(), error.to_string()))?;
            }
            return Ok(roots);
        }
        let found = rustls_native_certs::load_native_certs();
        // Some that a system comes with are too odd to be read; those that can be are enough.
        if roots.add_parsable_certificates(found.certs).0 == 0 {
            let why = found.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
            return Err(TlsError::NoRoots(why));
        }
        Ok(roots)
    }
}

impl Configs {
    fn new(roots: RootCertStore) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Provider(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let with = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Ok(Self { http1: with(&[b"http/1.1"]), http2: with(&[b"h2"]), either: with(&[b"h2", b"http/1.1"]) })
    }
}
