use std::collections::BTreeMap;
use std::sync::Arc;

use crds::credentials::SecretKey;
use rcgen::{CertificateParams, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::*;

const GOOD: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"90"]}]}}"#;

/// A server that writes the same bytes to every question, and what it was asked.
struct Stub {
    url: String,
    asked: mpsc::UnboundedReceiver<String>,
    _task: AbortOnDropHandle<()>,
}

/// What a stub does once it has written.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Close,
    Wait,
    GoOn,
}

impl Stub {
    async fn new(text: impl Into<String>, then: Then) -> Self {
        Self::with(TcpListener::bind("127.0.0.1:0").await.unwrap(), text.into(), then, None)
    }

    fn with(listener: TcpListener, text: String, then: Then, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (send, asked) = mpsc::unbounded_channel();
        let task = async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (send, text, tls) = (send.clone(), text.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, &text, then, &send).await;
                            }
                        }
                        None => answer(stream, &text, then, &send).await,
                    }
                });
            }
        };
        Self { url, asked, _task: AbortOnDropHandle::new(tokio::spawn(task)) }
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    text: &str,
    then: Then,
    send: &mpsc::UnboundedSender<String>,
) {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    send.send(String::from_utf8_lossy(&head).into_owned()).unwrap();
    let _ = stream.write_all(text.as_bytes()).await;
    match then {
        Then::Close => drop(stream.shutdown().await),
        Then::Wait => std::future::pending().await,
        Then::GoOn => while stream.write_all(&[b' '; 4_096]).await.is_ok() {},
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn key(key: &str) -> SecretKey {
    SecretKey { namespace: "shop".into(), name: "prom".into(), key: key.into() }
}

fn secrets(values: &[(&str, &str)]) -> Secrets {
    let secrets = Secrets::default();
    secrets.set(values.iter().map(|(name, value)| (key(name), value.as_bytes().to_vec())).collect());
    secrets
}

fn prometheus(url: &str) -> Prometheus {
    let seconds = Duration::from_secs;
    let (interval, timeout) = (seconds(15), seconds(5));
    Prometheus { url: url.to_owned(), interval, timeout, auth: Auth::None, ca: None, headers: Vec::new() }
}

async fn ask(asked: &Prometheus, secrets: &Secrets) -> Outcome {
    Server::new(asked.clone(), secrets.clone()).ask("sum(throughput)").await
}

/// The failure of a question to a server that writes `text`.
async fn failure(text: &str) -> String {
    let stub = Stub::new(text, Then::Close).await;
    ask(&prometheus(&stub.url), &Secrets::default()).await.unwrap_err()
}

#[tokio::test]
async fn a_good_answer_is_read_and_the_question_is_the_originals() {
    let mut stub = Stub::new(http("200 OK", GOOD), Then::Close).await;
    let asked = Prometheus {
        headers: vec![("X-Scope-OrgID".into(), "shop".into())],
        ..prometheus(&format!("{}//", stub.url))
    };
    assert_eq!(ask(&asked, &Secrets::default()).await, Ok(Answered::Vector(vec![90.0])));
    let head = stub.asked.recv().await.unwrap();
    assert!(head.starts_with("GET /api/v1/query?query=sum%28throughput%29 HTTP/1.1\r\n"), "{head}");
    let lines: BTreeMap<_, _> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    assert_eq!(lines["user-agent"], concat!("wicketgated/", env!("CARGO_PKG_VERSION")));
    assert_eq!(lines["x-scope-orgid"], "shop");
    assert_eq!(lines["accept"], "application/json");
    assert!(!lines.contains_key("authorization"), "{head}");
}

#[tokio::test]
async fn failures_have_the_originals_texts_and_say_more() {
    assert_eq!(failure(&http("502 Bad Gateway", "")).await, "unexpected status code: 502");
    let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error: no\n number"}"#;
    assert_eq!(
        failure(&http("400 Bad Request", refused)).await,
        "unexpected status code: 400: bad_data: parse error: no  number"
    );
    assert_eq!(failure(&http("200 OK", refused)).await, "decode response: bad_data: parse error: no  number");
    assert_eq!(
        failure(&http("401 Unauthorized", "no")).await,
        "unexpected status code: 401: the server wants to know who asks"
    );
    assert!(
        failure(&http("404 Not Found", "")).await.starts_with("unexpected status code: 404: /api/v1/query")
    );
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://me:pass@other/x?token=1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        failure(moved).await,
        "unexpected status code: 302: it leads to http://other/x, and redirects are not followed; give the \
         address that answers"
    );
    let page = failure(&http("200 OK", "<html>")).await;
    assert!(page.starts_with("decode response: expected value at line 1 column 1"), "{page}");
    let cut = failure("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{").await;
    assert!(cut.starts_with("decode response: "), "{cut}");
    let other = failure("SSH-2.0-OpenSSH\r\n\r\n").await;
    assert!(other.starts_with("execute request: "), "{other}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let none = Secrets::default();
    let text = async |asked: Prometheus| ask(&asked, &none).await.unwrap_err();
    let scheme = text(prometheus("ftp://prom")).await;
    assert_eq!(scheme, "parse monitor URL: its scheme must be http or https, not \"ftp\"");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let refused = text(prometheus(&away)).await;
    assert!(refused.starts_with(&format!("execute request: cannot connect to {away}: ")), "{refused}");
    assert!(refused.contains("Connection refused"), "{refused}");
    let token = Prometheus { auth: Auth::Bearer(key("token")), ..prometheus(&away) };
    assert_eq!(
        text(token).await,
        "create request: the key token of the Secret shop/prom is not there, or the operator may not read it"
    );
    let header = |name: &str, value: &str| Prometheus {
        headers: vec![(name.into(), value.into())],
        ..prometheus(&away)
    };
    assert_eq!(text(header("a b", "c")).await, "create request: \"a b\" is not the name of a header");
    assert_eq!(text(header("x", "a\nb")).await, "create request: the value of the header x cannot be sent");
    assert!(text(header("Content-Length", "5")).await.contains("the header Content-Length is not for you"));
}

#[tokio::test]
async fn we_say_who_we_are_and_no_text_shows_it() {
    let known = secrets(&[("token", "hunter2\n"), ("username", "me"), ("password", "correct horse")]);
    let bearer = Auth::Bearer(key("token"));
    let basic = Auth::Basic { username: key("username"), password: key("password") };
    for (auth, header, secret) in
        [(bearer, "Bearer hunter2", "hunter2"), (basic, "Basic bWU6Y29ycmVjdCBob3JzZQ==", "correct horse")]
    {
        // A server that says what it was told.
        let body = format!(r#"{{"status":"error","error":"go away with {secret} and {header}"}}"#);
        let mut stub = Stub::new(http("403 Forbidden", &body), Then::Close).await;
        let asked = Prometheus { auth, ..prometheus(&stub.url) };
        let text = ask(&asked, &known).await.unwrap_err();
        assert!(text.starts_with("unexpected status code: 403: go away with … and "), "{text}");
        let head = stub.asked.recv().await.unwrap();
        assert!(head.contains(&format!("authorization: {header}\r\n")), "{head}");
        for hidden in ["hunter2", "correct horse", "bWU6"] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
    let mut stub = Stub::new(http("200 OK", GOOD), Then::Close).await;
    let asked = prometheus(&stub.url.replace("//", "//me:p%40ss@"));
    ask(&asked, &known).await.unwrap();
    assert!(stub.asked.recv().await.unwrap().contains("authorization: Basic bWU6cEBzcw==\r\n"));
    let broken = Prometheus { auth: Auth::Bearer(key("token")), ..prometheus(&stub.url) };
    let text = ask(&broken, &secrets(&[("token", "hun\nter2")])).await.unwrap_err();
    assert!(text.ends_with("holds what no header may, such as a line break"), "{text}");
    assert!(!text.contains("ter2"), "{text}");
}

#[tokio::test]
async fn a_server_that_hangs_and_a_body_without_end_are_cut_off() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    for text in ["", head] {
        let stub = Stub::new(text, Then::Wait).await;
        let asked = Prometheus { timeout: Duration::from_millis(100), ..prometheus(&stub.url) };
        let text = ask(&asked, &Secrets::default()).await.unwrap_err();
        assert_eq!(text, "execute request: no answer within 100ms");
    }
    let stub = Stub::new(head, Then::GoOn).await;
    let text = ask(&prometheus(&stub.url), &Secrets::default()).await.unwrap_err();
    assert!(text.starts_with("decode response: it is longer than 1048576 bytes; aggregate"), "{text}");
}

/// An authority, and a server's certificate that it has signed, for 127.0.0.1.
fn certificates() -> (String, tokio_rustls::TlsAcceptor) {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, ca.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let private = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], private)
        .unwrap();
    (pem, tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn an_authority_from_a_secret_is_trusted_as_soon_as_it_is_there() {
    let (pem, acceptor) = certificates();
    let (stranger, _) = certificates();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stub = Stub::with(listener, http("200 OK", GOOD), Then::Close, Some(acceptor));
    let url = stub.url.replace("http:", "https:");
    let known = secrets(&[("ca.crt", "no certificate")]);
    let server = Server::new(Prometheus { ca: Some(key("ca.crt")), ..prometheus(&url) }, known.clone());
    assert_eq!(
        server.ask("up").await.unwrap_err(),
        "create request: the key ca.crt of the Secret shop/prom: it holds no certificate; give certificates of \
         authorities as PEM"
    );
    let set = |pem: &str| known.set([(key("ca.crt"), pem.as_bytes().to_vec())].into_iter().collect());
    set(&stranger);
    let text = server.ask("up").await.unwrap_err();
    assert!(text.starts_with("execute request: cannot connect to https://127.0.0.1:"), "{text}");
    assert!(text.ends_with("in tls.caSecretRef"), "{text}");
    set(&pem);
    assert_eq!(server.ask("up").await, Ok(Answered::Vector(vec![90.0])));
    // Nobody's certificates, or the system's, do not sign for this server.
    let text = ask(&prometheus(&url), &known).await.unwrap_err();
    assert!(
        text.starts_with("execute request: ") || text.contains("no certificates of authorities"),
        "{text}"
    );
}

#[tokio::test]
async fn questions_to_one_server_share_its_connections() {
    let body = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{GOOD}", GOOD.len());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        // One connection, two questions.
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 1024];
        for _ in 0..2 {
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
            stream.write_all(body.as_bytes()).await.unwrap();
        }
    });
    let server = Server::new(prometheus(&url), Secrets::default());
    for query in ["a", "b"] {
        assert!(server.ask(query).await.is_ok());
    }
    task.await.unwrap();
}
