//! A server and a client with a window each: the example of docs/backpressure.md, to the letter.
//! `cargo run -p wicketgate-daemon --example tower` runs it.

use axum::body::Body;
use axum::{Router, routing::get};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use prometheus::Registry;
use tower::{Layer as _, ServiceExt as _};
use wicketgate_daemon::proxy::layer::{Blocked, BoxError, Chains, policy};
use wicketgate_daemon::proxy::secrets::Secrets;

const POLICIES: [&str; 2] = [
    r#"
apiVersion: wicketgate.dev/v1alpha1
kind: BackpressurePolicy
metadata: {name: incoming}
spec:
  clusterRef: {name: none}                     # this, listener and upstream are for the proxy
  listener: {port: 8080}
  upstream: {url: "http://localhost:3000"}
  window: {min: 10, max: 200}
  algorithm: {type: Gradient2}                 # or signals and prometheus, as everywhere
  block: [{header: User-Agent, pattern: (?i)scraper}]
"#,
    r#"
apiVersion: wicketgate.dev/v1alpha1
kind: BackpressurePolicy
metadata: {name: outgoing}
spec:
  clusterRef: {name: none}
  listener: {port: 8080}
  upstream: {url: "http://localhost:3000"}
  window: {min: 1, max: 1}
  algorithm: {type: Fixed}
"#,
];

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let registry = Registry::new(); // yours, with the metrics of docs/metrics.md in it
    let chains = Chains::new(&registry, Secrets::default())?;
    let incoming = chains.start(policy(POLICIES[0])?)?;
    let outgoing = chains.start(policy(POLICIES[1])?)?;

    // A server: what is refused is answered with 429, and the handler does not hear of it.
    let app = Router::new().route("/", get(|| async { "hello" })).layer(incoming.server_layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    // A client: what is refused is an error of the type Blocked, and nothing is sent.
    let client = outgoing.client_layer().layer(Client::builder(TokioExecutor::new()).build_http());
    let ask = || http::Request::get(&url).body(Body::empty());
    let answer = client.clone().oneshot(ask()?).await?;
    println!("{} with the window {:?}", answer.status(), incoming.report().window);

    // The answer's body is not read yet, so the first request still holds the only place.
    match client.clone().oneshot(ask()?).await {
        Ok(answer) => println!("{}", answer.status()),
        Err(error) => match error.downcast_ref::<Blocked>() {
            Some(blocked) => println!("not sent: {blocked}; come back in {:?}", blocked.retry_after()),
            None => return Err(error),
        },
    }
    drop(answer);
    println!("{}", client.oneshot(ask()?).await?.status());

    chains.measure(); // before each scrape of the registry
    println!("{} families of metrics", registry.gather().len());
    Ok(())
}
