//! TLS towards clients and towards the upstream, with secrets from a folder.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use e2e::bodies::{full, read};
use e2e::clock::await_condition;
use e2e::ports;
use e2e::speak::Speaker;
use e2e::upstream::Upstream;
use e2e::wire::Wire;
use http::{Request, Version};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::harness::{Proxy, get, policy};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for localhost with its key, as PEM.
fn signed_by(authority: &Authority) -> (String, String) {
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    (params.signed_by(&own, authority).unwrap().pem(), own.serialize_pem())
}

/// Puts a Secret of the policy's namespace into a folder of secrets.
fn put(folder: &Path, name: &str, values: &[(&str, &str)]) {
    let folder = folder.join("test").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for (key, value) in values {
        std::fs::write(folder.join(key), value).unwrap();
    }
}

fn put_listener(folder: &Path, authority: &Authority) {
    let (certificate, key) = signed_by(authority);
    put(folder, "listener", &[("tls.crt", &certificate), ("tls.key", &key)]);
}

fn listener(at: SocketAddr) -> String {
    format!("listener: {{port: {}, tls: {{mode: SecretRef, secretRef: {{name: listener}}}}}}", at.port())
}

/// A policy whose listener speaks TLS.
fn tls_policy(at: SocketAddr, upstream: SocketAddr, spec: &[&str]) -> String {
    let plain = format!("listener: {{port: {}}}", at.port());
    policy(at, 10, upstream, spec).replace(&plain, &listener(at))
}

async fn connect(
    at: SocketAddr,
    authority: &Authority,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(at).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn clients_speak_either_version_over_tls() {
    let upstream = Upstream::start().await;
    let (secrets, authority, at) = (TempDir::new().unwrap(), authority(), ports::lasting());
    put_listener(secrets.path(), &authority);
    let policy = tls_policy(at, upstream.at(), &[]);
    let mut proxy =
        Proxy::launched(at, &[&policy], |launch| launch.arg("--secrets").arg(secrets.path())).await;
    let one = connect(at, &authority, b"http/1.1").await.unwrap();
    let two = connect(at, &authority, b"h2").await.unwrap();
    assert_eq!(two.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    for mut client in [Speaker::one_over(one, at).await, Speaker::two_over(two, at).await] {
        let answer = client.send(Request::post("/echo").body(full("body")).unwrap()).await.unwrap();
        assert_eq!(read(answer.into_body()).await.unwrap().0, "body");
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
        assert_eq!(seen.all("forwarded"), ["for=127.0.0.1;proto=https"]);
    }
    // A WebSocket goes through it too.
    let mut socket = connect(at, &authority, b"http/1.1").await.unwrap();
    socket
        .write_all(
            b"GET /upgrade HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
        )
        .await
        .unwrap();
    let mut came = Vec::new();
    while !came.ends_with(b"hello") {
        assert_ne!(socket.read_buf(&mut came).await.unwrap(), 0);
    }
    assert!(came.starts_with(b"HTTP/1.1 101 "));
    assert_eq!(proxy.in_flight().await, 1);
    drop(socket);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn what_is_no_tls_is_not_answered() {
    let upstream = Upstream::start().await;
    let (secrets, authority, at) = (TempDir::new().unwrap(), authority(), ports::lasting());
    put_listener(secrets.path(), &authority);
    let policy = tls_policy(at, upstream.at(), &["timeouts: {idle: 500ms}"]);
    let mut proxy =
        Proxy::launched(at, &[&policy], |launch| launch.arg("--secrets").arg(secrets.path())).await;
    for opening in
        [&b"GET / HTTP/1.1\r\nhost: t\r\n\r\n"[..], b"", &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc], &[0xff; 2000]]
    {
        let mut wire = Wire::to(at).await;
        wire.send(opening).await;
        let came = wire.rest().await.unwrap_or_default();
        assert!(!came.starts_with(b"HTTP/"), "{:?}", String::from_utf8_lossy(&came));
    }
    assert!(connect(at, &self::authority(), b"h2").await.is_err(), "whom the client does not trust");
    assert!(connect(at, &authority, b"spdy/1").await.is_err(), "what nobody speaks");
    assert_eq!(upstream.seen().len(), 0);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_certificate_is_renewed_without_a_restart() {
    let upstream = Upstream::start().await;
    let (secrets, first, second, at) = (TempDir::new().unwrap(), authority(), authority(), ports::lasting());
    put_listener(secrets.path(), &first);
    let policy = tls_policy(at, upstream.at(), &[]);
    let mut proxy =
        Proxy::launched(at, &[&policy], |launch| launch.arg("--secrets").arg(secrets.path())).await;
    let before = connect(at, &first, b"h2").await.unwrap();
    let mut before = Speaker::two_over(before, at).await;
    assert_eq!(before.send(get("/")).await.unwrap().status(), 200);
    put_listener(secrets.path(), &second);
    await_condition("the new one is shown", async || connect(at, &second, b"h2").await.is_ok()).await;
    assert!(connect(at, &first, b"h2").await.is_err());
    assert_eq!(before.send(get("/")).await.unwrap().status(), 200, "who was connected stays so");
    drop(before);
    // One that cannot be used changes nothing for callers, and is reported until it is put right.
    assert!(proxy.report().await.get("outdated").is_none());
    put(secrets.path(), "listener", &[("tls.crt", "nonsense")]);
    await_condition("it is reported", async || {
        let report = proxy.report().await;
        report["outdated"]
            .as_str()
            .is_some_and(|why| why.contains("the key tls.crt of the Secret test/listener"))
    })
    .await;
    assert!(connect(at, &second, b"h2").await.is_ok());
    put_listener(secrets.path(), &first);
    await_condition("it is put right", async || connect(at, &first, b"h2").await.is_ok()).await;
    assert!(proxy.report().await.get("outdated").is_none());
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_listener_waits_for_its_certificate() {
    let upstream = Upstream::start().await;
    let (secrets, authority, at) = (TempDir::new().unwrap(), authority(), ports::lasting());
    let plain = policy(at, 10, upstream.at(), &[]);
    let mut proxy =
        Proxy::launched(at, &[&plain], |launch| launch.arg("--secrets").arg(secrets.path())).await;
    assert_eq!(proxy.get("/", &[]).await.head.status(), 200);
    proxy.change(&[&tls_policy(at, upstream.at(), &[])]);
    await_condition("the problem is reported", async || {
        proxy.report().await["problem"].as_str().is_some_and(|problem| problem.contains("spec.listener.tls"))
    })
    .await;
    assert!(Wire::try_to(at).await.is_err(), "it does not go on in plain text");
    put_listener(secrets.path(), &authority);
    await_condition("it is served", async || connect(at, &authority, b"h2").await.is_ok()).await;
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn an_upstream_is_spoken_to_over_tls() {
    let (secrets, authority, at) = (TempDir::new().unwrap(), authority(), ports::lasting());
    let (certificate, key) = signed_by(&authority);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let upstream = Upstream::start_tls(config).await;
    put(secrets.path(), "ca", &[("ca.crt", &authority.pem())]);
    let url = |ca: &str, protocol: &str| {
        let url = format!("https://localhost:{}", upstream.at().port());
        format!(
            "upstream: {{url: \"{url}\", protocol: {protocol}, tls: {{caSecretRef: {{name: {ca}, key: ca.crt}}}}}}"
        )
    };
    let policy = |ca: &str, protocol: &str| policy(at, 10, upstream.at(), &[&url(ca, protocol)]);
    let mut proxy =
        Proxy::launched(at, &[&policy("ca", "Auto")], |launch| launch.arg("--secrets").arg(secrets.path()))
            .await;
    assert_eq!(proxy.get("/", &[]).await.body, b"hello");
    assert_eq!(upstream.only().version, Version::HTTP_2, "it is asked what it speaks");
    proxy.change(&[&policy("ca", "HTTP1")]);
    await_condition("HTTP/1.1 is spoken", async || {
        assert_eq!(proxy.get("/", &[]).await.body, b"hello");
        upstream.seen().last().unwrap().version == Version::HTTP_11
    })
    .await;
    // Whom nobody vouches for is not spoken to.
    put(secrets.path(), "other", &[("ca.crt", &self::authority().pem())]);
    proxy.change(&[&policy("other", "Auto")]);
    await_condition("it is not trusted", async || proxy.get("/", &[]).await.head.status() == 502).await;
    let answer = proxy.get("/", &[]).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("the upstream cannot be connected to"), "{text}");
    assert!(proxy.daemon.log().contains("cannot speak TLS with"), "the log says why");
    // With nobody to trust no request can succeed, and the policy counts as one that is not served.
    proxy.change(&[&policy("nowhere", "Auto")]);
    await_condition("the problem is reported", async || {
        let report = proxy.report().await;
        report["problem"]
            .as_str()
            .is_some_and(|problem| problem.starts_with("spec.upstream.tls: the key ca.crt"))
    })
    .await;
    put(secrets.path(), "nowhere", &[("ca.crt", &authority.pem())]);
    await_condition("it is served", async || proxy.report().await.get("problem").is_none()).await;
    assert_eq!(proxy.get("/", &[]).await.body, b"hello");
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn what_is_edited_beside_a_certificate_does_not_lose_the_last_good_one() {
    let (secrets, authority) = (TempDir::new().unwrap(), authority());
    let (at, next) = (ports::lasting(), ports::lasting());
    put_listener(secrets.path(), &authority);
    let (certificate, key) = signed_by(&authority);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let upstream = Upstream::start_tls(config).await;
    put(secrets.path(), "ca", &[("ca.crt", &authority.pem())]);
    let url = format!("https://localhost:{}", upstream.at().port());
    let url = format!("upstream: {{url: \"{url}\", tls: {{caSecretRef: {{name: ca, key: ca.crt}}}}}}");
    let declared = |at, timeouts: &str| tls_policy(at, upstream.at(), &[&url, timeouts]);
    let mut proxy = Proxy::launched(at, &[&declared(at, "timeouts: {idle: 60s}")], |launch| {
        launch.arg("--secrets").arg(secrets.path())
    })
    .await;
    put(secrets.path(), "listener", &[("tls.crt", "nonsense")]);
    put(secrets.path(), "ca", &[("ca.crt", "nonsense")]);
    await_condition("both are reported", async || {
        let report = proxy.report().await;
        report["outdated"]
            .as_str()
            .is_some_and(|why| why.contains("spec.listener.tls") && why.contains("spec.upstream.tls"))
    })
    .await;
    // Another port, and another upstream by its timeouts alone.
    proxy.change(&[&declared(next, "timeouts: {idle: 61s}")]);
    await_condition("the other port is open", async || connect(next, &authority, b"http/1.1").await.is_ok())
        .await;
    let client = connect(next, &authority, b"http/1.1").await.unwrap();
    let mut client = Speaker::one_over(client, next).await;
    let answer = client.send(get("/")).await.unwrap();
    assert_eq!(answer.status(), 200, "whom it trusted it still trusts");
    assert_eq!(read(answer.into_body()).await.unwrap().0, "hello");
    let report = proxy.report().await;
    assert!(report.get("problem").is_none() && report.get("outdated").is_some(), "{report}");
    drop(client);
    proxy.is_at_rest().await;
}
