//! TLS with upstreams.

use std::fmt;
use std::sync::{Arc, LazyLock};

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

/// Whom the system trusts. Reading them takes a while, so that is done once.
static SYSTEM: LazyLock<Result<Arc<RootCertStore>, TlsError>> = LazyLock::new(system);

/// TLS with one upstream. Clones share it.
#[derive(Clone)]
pub struct ClientTls(Arc<Inner>);

struct Inner {
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
        f.debug_struct("ClientTls").field("declared", &self.0.declared).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// As declared, with `host`, whose certificate must be for that name.
    #[must_use]
    pub fn new(declared: &UpstreamTls, host: &str, secrets: Secrets) -> Self {
        let keys = declared.ca.iter().cloned().collect();
        let configs = Made::of(keys, secrets);
        Self(Arc::new(Inner { declared: declared.clone(), name: name(host), configs }))
    }

    /// Whether it is what would be made of this. Then it can go on, with what it remembers.
    #[must_use]
    pub fn is(&self, declared: &UpstreamTls, host: &str) -> bool {
        self.0.declared == *declared && self.0.name == name(host)
    }

    /// Whom to expect, and how to speak with them: those to trust as they are declared now, and while that
    /// cannot be used, the last who could be.
    ///
    /// # Errors
    /// Where there has been nobody to trust yet.
    pub fn config(&self, alpn: Alpn) -> Result<(ServerName<'static>, Arc<ClientConfig>), TlsError> {
        let configs = self.0.configs.usable(|values| self.0.make(values))?;
        let config = match alpn {
            Alpn::Http1 => &configs.http1,
            Alpn::Http2 => &configs.http2,
            Alpn::Either => &configs.either,
        };
        Ok((self.0.name.clone()?, Arc::clone(config)))
    }

    /// How those who are trusted stand to the Secret that names them.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.0.name {
            Ok(_) => self.0.configs.standing(|values| self.0.make(values)),
            Err(error) => Standing::Unusable(error.clone()),
        }
    }
}

impl Inner {
    fn make(&self, values: &Values) -> Result<Configs, TlsError> {
        Configs::new(self.roots(values)?)
    }

    fn roots(&self, values: &Values) -> Result<Arc<RootCertStore>, TlsError> {
        let Some(key) = &self.declared.ca else { return SYSTEM.clone() };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(values, key)? {
            roots
                .add(certificate)
                .map_err(|error| TlsError::Untrustworthy(key.clone(), error.to_string()))?;
        }
        Ok(Arc::new(roots))
    }
}

/// The name that the certificate of `host` must have.
fn name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))
}

fn system() -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Some that a system comes with are too odd to be read; those that can be are enough.
    if roots.add_parsable_certificates(found.certs).0 == 0 {
        let why = found.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
        return Err(TlsError::NoRoots(why));
    }
    Ok(Arc::new(roots))
}

impl Configs {
    fn new(roots: Arc<RootCertStore>) -> Result<Self, TlsError> {
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
