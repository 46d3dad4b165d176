use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::proxy::policy::{Balance, ListenerTls, Protocol, Target, Upstream, UpstreamTls};
use crate::proxy::upstream::{Backend, Endpoints, Pool};

fn key(name: &str, key: &str) -> SecretKey {
    SecretKey { namespace: "shop".into(), name: name.into(), key: key.into() }
}

fn listener() -> ListenerTls {
    ListenerTls { certificate: key("listener", "tls.crt"), key: key("listener", "tls.key") }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What is known where `issuer` signs for shop.example and is trusted.
fn values(issuer: &CertifiedIssuer<'static, KeyPair>) -> Values {
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["shop.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&own, issuer).unwrap();
    let entries = [
        (key("listener", "tls.crt"), certificate.pem()),
        (key("listener", "tls.key"), own.serialize_pem()),
        (key("ca", "ca.crt"), issuer.pem()),
    ];
    entries.into_iter().map(|(key, text)| (key, text.into_bytes())).collect()
}

/// Serves what versions of HTTP were spoken, until dropped.
async fn serve(tls: Arc<ServerTls>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(tls.config().unwrap());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                    let text = format!("{:?} {:?}", request.version(), request.uri());
                    Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from(text))))
                });
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                builder.serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    (address, tasks)
}

fn backend(
    protocol: Protocol,
    host: &str,
    ca: bool,
    address: SocketAddr,
    secrets: &Secrets,
    before: Option<&Backend>,
) -> Arc<Backend> {
    let tls = Some(UpstreamTls { ca: ca.then(|| key("ca", "ca.crt")) });
    let upstream = Upstream {
        target: Target::Url { tls, host: host.into(), port: 443, base_path: String::new() },
        balance: Balance::RoundRobin,
        protocol,
        max_connections: 10,
        connect_timeout: Some(Duration::from_secs(5)),
        idle_timeout: None,
    };
    Backend::after(before, &upstream, Endpoints::fixed(&[address]), secrets)
}

fn pool(
    protocol: Protocol,
    host: &str,
    ca: bool,
    address: SocketAddr,
    secrets: &Secrets,
) -> Pool<Full<Bytes>> {
    Pool::new(&backend(protocol, host, ca, address, secrets, None))
}

async fn ask(pool: &Pool<Full<Bytes>>) -> Result<String, String> {
    let request = Request::get("/a").body(Full::default()).unwrap();
    let (response, lease) = pool.send(request).await.map_err(|error| error.to_string())?;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(lease);
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn both_sides_agree_on_what_is_spoken() {
    let secrets = Secrets::default();
    secrets.set(values(&authority()));
    let (address, _server) = serve(Arc::new(ServerTls::new(&listener(), secrets.clone()))).await;
    for (protocol, said) in [
        (Protocol::Auto, "HTTP/2.0 https://shop.example/a"),
        (Protocol::Http1, "HTTP/1.1 /a"),
        (Protocol::Http2, "HTTP/2.0 https://shop.example/a"),
    ] {
        let pool = pool(protocol, "shop.example", true, address, &secrets);
        for _ in 0..3 {
            assert_eq!(ask(&pool).await.as_deref(), Ok(said));
        }
        assert_eq!(pool.backend().open_connections(), 1);
    }
}

#[tokio::test]
async fn who_is_not_trusted_or_has_another_name_is_not_spoken_with() {
    let secrets = Secrets::default();
    secrets.set(values(&authority()));
    let (address, _server) = serve(Arc::new(ServerTls::new(&listener(), secrets.clone()))).await;
    let error = ask(&pool(Protocol::Auto, "other.example", true, address, &secrets)).await.unwrap_err();
    assert!(error.starts_with(&format!("cannot speak TLS with {address}: ")), "{error}");
    // An authority that is not the server's.
    let others = Secrets::default();
    others.set(values(&authority()));
    let strange = pool(Protocol::Auto, "shop.example", true, address, &others);
    assert!(ask(&strange).await.unwrap_err().contains("certificate"));
    // One that comes later counts at once.
    others.set(Values::from_iter([(
        key("ca", "ca.crt"),
        secrets.now().get(&key("ca", "ca.crt")).unwrap().to_vec(),
    )]));
    assert_eq!(ask(&strange).await.as_deref(), Ok("HTTP/2.0 https://shop.example/a"));
}

#[tokio::test]
async fn a_listeners_certificate_is_exchanged_while_it_serves() {
    let secrets = Secrets::default();
    secrets.set(values(&authority()));
    let server = Arc::new(ServerTls::new(&listener(), secrets.clone()));
    let (address, _server) = serve(Arc::clone(&server)).await;
    assert!(ask(&pool(Protocol::Auto, "shop.example", true, address, &secrets)).await.is_ok());
    secrets.set(values(&authority()));
    assert!(ask(&pool(Protocol::Auto, "shop.example", true, address, &secrets)).await.is_ok());
    // Nonsense leaves the last good one in force.
    secrets.set(Values::from_iter([(key("listener", "tls.crt"), b"nonsense".to_vec())]));
    assert!(server.config().is_ok());
    let Standing::Outdated(error) = server.standing() else { panic!("{:?}", server.standing()) };
    assert!(error.to_string().contains("shop/listener holds no certificate"), "{error}");
    secrets.set(values(&authority()));
    assert_eq!(server.standing(), Standing::Current);
}

#[tokio::test]
async fn whom_an_upstream_is_trusted_for_is_kept_while_the_secret_holds_nonsense() {
    let (secrets, trusting) = (Secrets::default(), Secrets::default());
    let issuer = authority();
    secrets.set(values(&issuer));
    trusting.set(values(&issuer));
    let (address, _server) = serve(Arc::new(ServerTls::new(&listener(), secrets))).await;
    let pool = pool(Protocol::Auto, "shop.example", true, address, &trusting);
    assert_eq!(pool.backend().tls_standing(), Some(Standing::Current));
    for nonsense in [Values::from_iter([(key("ca", "ca.crt"), b"hunter2".to_vec())]), Values::default()] {
        trusting.set(nonsense);
        assert!(matches!(pool.backend().tls_standing(), Some(Standing::Outdated(_))));
        // Another thread has no connection yet.
        let other = Pool::new(pool.backend());
        assert_eq!(ask(&other).await.as_deref(), Ok("HTTP/2.0 https://shop.example/a"));
    }
    let never = ClientTls::new(&UpstreamTls { ca: Some(key("ca", "ca.crt")) }, "shop.example", trusting);
    let Standing::Unusable(error) = never.standing() else { panic!("{:?}", never.standing()) };
    assert_eq!(
        error.to_string(),
        "the key ca.crt of the Secret shop/ca is not there, or the operator may not read it"
    );
    let unnamed = ClientTls::new(&UpstreamTls { ca: None }, "no name", Secrets::default());
    assert!(matches!(unnamed.standing(), Standing::Unusable(TlsError::Name(_))));
}

#[tokio::test]
async fn whom_an_upstream_is_trusted_for_outlives_another_declaration_of_it() {
    let (secrets, trusting) = (Secrets::default(), Secrets::default());
    let issuer = authority();
    secrets.set(values(&issuer));
    trusting.set(values(&issuer));
    let (address, _server) = serve(Arc::new(ServerTls::new(&listener(), secrets))).await;
    let before = backend(Protocol::Auto, "shop.example", true, address, &trusting, None);
    assert_eq!(before.tls_standing(), Some(Standing::Current));
    trusting.set(Values::default());
    let next = |host, ca| backend(Protocol::Http1, host, ca, address, &trusting, Some(&before));
    let same = next("shop.example", true);
    assert!(matches!(same.tls_standing(), Some(Standing::Outdated(_))));
    assert_eq!(ask(&Pool::new(&same)).await.as_deref(), Ok("HTTP/1.1 /a"));
    // Another name, and another to trust, are no edits beside it.
    assert!(matches!(next("other.example", true).tls_standing(), Some(Standing::Unusable(_))));
    assert!(!matches!(next("shop.example", false).tls_standing(), Some(Standing::Outdated(_))));
}

/// Gathers what is logged.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_made_or_said_anew_because_others_secrets_change() {
    let (secrets, issuer, sink) = (Secrets::default(), authority(), Sink::default());
    let own = values(&issuer);
    // What is there beside `changed`, of which nobody here asks.
    let set = |ca: &[u8], changed: &str| {
        let keys = [key("listener", "tls.crt"), key("listener", "tls.key")];
        let entries = keys.map(|key| (key.clone(), own.get(&key).unwrap().to_vec()));
        let others = [(key("ca", "ca.crt"), ca.to_vec()), (key("prom", "token"), changed.into())];
        secrets.set(entries.into_iter().chain(others).collect());
    };
    let good = issuer.pem().into_bytes();
    set(&good, "1");
    let upstream = |ca: Option<SecretKey>| ClientTls::new(&UpstreamTls { ca }, "a", secrets.clone());
    let (with, without) = (upstream(Some(key("ca", "ca.crt"))), upstream(None));
    let server = ServerTls::new(&listener(), secrets.clone());
    let made = || {
        let client = |tls: &ClientTls| tls.config(Alpn::Http1).ok().map(|(_, config)| Arc::as_ptr(&config));
        (client(&with), client(&without), server.config().map(|config| Arc::as_ptr(&config)))
    };
    let first = made();
    assert!(first.0.is_some() && first.2.is_ok());
    set(&good, "2");
    assert_eq!(made(), first);
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        for (ca, changed) in [("x", "3"), ("x", "4"), ("y", "4"), ("x", "5")] {
            set(ca.as_bytes(), changed);
            assert!(matches!(with.standing(), Standing::Outdated(_)));
            assert_eq!(made(), first);
        }
    });
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("TLS goes on as it was").count(), 1, "{text}");
}

#[test]
fn what_is_wrong_with_a_secret_is_said_without_showing_it() {
    let secrets = Secrets::default();
    let server = ServerTls::new(&listener(), secrets.clone());
    assert_eq!(
        server.config().unwrap_err().to_string(),
        "the key tls.crt of the Secret shop/listener is not there, or the operator may not read it"
    );
    secrets.set(Values::from_iter([(key("listener", "tls.crt"), b"hunter2".to_vec())]));
    assert_eq!(
        server.config().unwrap_err().to_string(),
        "the key tls.crt of the Secret shop/listener holds no certificate; put one there in PEM"
    );
    let (one, other) = (values(&authority()), values(&authority()));
    let (certificate, private) = (key("listener", "tls.crt"), key("listener", "tls.key"));
    secrets.set(Values::from_iter([
        (certificate.clone(), one.get(&certificate).unwrap().to_vec()),
        (private.clone(), other.get(&private).unwrap().to_vec()),
    ]));
    let error = server.config().unwrap_err().to_string();
    assert!(
        error.starts_with("the key tls.crt of the Secret shop/listener and the key tls.key of"),
        "{error}"
    );
    assert!(!format!("{server:?}{error}").contains("BEGIN"));
}
