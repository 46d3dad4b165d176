use std::{collections::BTreeMap, net::SocketAddr};

use clap::Parser as _;
use futures_util::StreamExt as _;
use proto::gubernator::{
    GetRateLimitsReq, GetRateLimitsResp, HealthCheckReq, HealthCheckResp, LiveCheckReq, LiveCheckResp,
    RateLimitResp,
    v1_server::{V1, V1Server},
};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use super::{report::Latency, *};

/// `Load` is a group of arguments; this makes a command line of it.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    load: Load,
}

fn plan(address: &str, line: &str) -> Load {
    let words = ["load", "--address", address].into_iter().chain(line.split_whitespace());
    Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).load
}

/// Admits even keys, refuses odd ones, and fails the call of a limit named `broken`.
struct Door;

#[tonic::async_trait]
impl V1 for Door {
    async fn get_rate_limits(
        &self,
        request: Request<GetRateLimitsReq>,
    ) -> Result<Response<GetRateLimitsResp>, Status> {
        let responses = request
            .into_inner()
            .requests
            .iter()
            .map(|item| match item.name.as_str() {
                "broken" => Err(Status::internal("broken")),
                "bad" => Ok(RateLimitResp { error: "bad item".to_owned(), ..RateLimitResp::default() }),
                _ => {
                    let key: u64 = item.unique_key.trim_start_matches("account:").parse().unwrap_or(0);
                    Ok(RateLimitResp { status: i32::from(key % 2 == 1), ..RateLimitResp::default() })
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Response::new(GetRateLimitsResp { responses }))
    }

    async fn health_check(&self, _: Request<HealthCheckReq>) -> Result<Response<HealthCheckResp>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn live_check(&self, _: Request<LiveCheckReq>) -> Result<Response<LiveCheckResp>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}

fn serve() -> String {
    serve_for(Duration::from_secs(3_600)).0
}

/// Where it is served, over connections that are asked to end after `age`, and how many there were.
fn serve_for(age: Duration) -> (String, Arc<AtomicU64>) {
    let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let address = incoming.local_addr().expect("it is bound");
    let connections = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&connections);
    let incoming = incoming.inspect(move |_| {
        counted.fetch_add(1, Relaxed);
    });
    let server = tonic::transport::Server::builder().max_connection_age(age);
    tokio::spawn({ server }.add_service(V1Server::new(Door)).serve_with_incoming(incoming));
    (address.to_string(), connections)
}

#[tokio::test]
async fn a_bounded_number_of_calls_is_sent_and_counted() {
    let plan = plan(&serve(), "--calls 101 --connections 3 --concurrency 4 --items 7 --keys 50");
    let report = measure(&plan).await.expect("it is served");
    assert_eq!((report.calls, report.items), (101, 707));
    assert_eq!(report.admitted + report.refused, 707);
    assert!(report.admitted > 0 && report.refused > 0, "{report:?}");
    assert_eq!((report.failed_calls, report.failed_items), (0, 0));
    let Latency { p50, p999, max, .. } = report.latency_micros;
    assert!(0 < p50 && p50 <= p999 && p999 <= max, "{report:?}");
    let json: serde_json::Value = serde_json::from_str(&report.render_json()).expect("JSON");
    assert_eq!(json["calls"], 101);
    assert!(json["latency_micros"]["p99.9"].is_u64(), "{json}");
    let text = report.render_text();
    assert!(
        text.contains("connections 3, callers on each 4, items a call 7") && text.contains("p99.9"),
        "{text}"
    );
}

#[tokio::test]
async fn a_bounded_time_ends() {
    let plan = plan(&serve(), "--duration 150ms --connections 1 --concurrency 1");
    let report = measure(&plan).await.expect("it is served");
    assert!(report.calls > 0);
    assert!((0.15..5.0).contains(&report.seconds), "{report:?}");
}

#[tokio::test]
async fn a_rate_is_not_exceeded() {
    let plan = plan(&serve(), "--duration 300ms --rate 100 --connections 2 --concurrency 5");
    let report = measure(&plan).await.expect("it is served");
    assert!((1..=30).contains(&report.calls), "{report:?}");
}

#[tokio::test]
async fn a_connection_is_replaced_after_so_many_calls() {
    let (address, connections) = serve_for(Duration::from_secs(3_600));
    let plan = plan(&address, "--calls 100 --connections 1 --concurrency 1 --reconnect-every 10");
    let report = measure(&plan).await.expect("it is served");
    assert_eq!((report.calls, report.failed_calls), (100, 0));
    assert_eq!(connections.load(Relaxed), 10);
}

#[tokio::test]
async fn a_connection_that_is_asked_to_end_fails_no_call() {
    let (address, connections) = serve_for(Duration::from_millis(20));
    let plan = plan(&address, "--duration 700ms --connections 4 --concurrency 8");
    let report = measure(&plan).await.expect("it is served");
    assert!(connections.load(Relaxed) > 4, "{report:?}");
    assert_eq!((report.failed_calls, report.errors), (0, BTreeMap::new()));
}

#[tokio::test]
async fn the_first_answer_may_be_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let plan = plan(&address.to_string(), "--calls 3 --wait 20s");
    let later = async move {
        // Not before the first try has failed: it cannot be told from outside when that is.
        tokio::time::sleep(AGAIN / 2).await;
        let incoming = TcpIncoming::bind(address).expect("it is free still");
        tonic::transport::Server::builder()
            .add_service(V1Server::new(Door))
            .serve_with_incoming(incoming)
            .await
    };
    let server = tokio::spawn(later);
    assert_eq!(measure(&plan).await.expect("it is served").calls, 3);
    server.abort();
}

#[tokio::test]
async fn failures_are_counted_and_named() {
    let address = serve();
    let report = measure(&plan(&address, "--calls 5 --name broken")).await.expect("it is served");
    assert_eq!((report.failed_calls, report.items), (5, 0));
    assert_eq!(report.errors.get("Internal: broken"), Some(&5));
    let report = measure(&plan(&address, "--calls 5 --items 2 --name bad")).await.expect("it is served");
    assert_eq!((report.failed_calls, report.failed_items), (0, 10));
    assert!(report.render_text().contains("10 x bad item"));
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    // Bound and given back, so that nobody listens.
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr()).expect("a free port");
    let error = measure(&plan(&free.to_string(), "--calls 1")).await.expect_err("nobody is there");
    assert_eq!(error.exit(), Exit::Unavailable);
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn another_machine_needs_leave() {
    let error = measure(&plan("192.0.2.1:1051", "--calls 1")).await.expect_err("it is remote");
    assert_eq!(error.exit(), Exit::Usage);
    assert!(error.to_string().contains("--allow-remote-target"), "{error}");
    let error = measure(&plan("nowhere.invalid:1", "--calls 1")).await.expect_err("it does not resolve");
    assert_eq!(error.exit(), Exit::Unavailable);
}

#[tokio::test]
async fn too_many_callers_are_refused() {
    let error =
        measure(&plan("localhost:1", "--connections 1000 --concurrency 21")).await.expect_err("too many");
    assert!(error.to_string().contains("more than 20000 callers"), "{error}");
}
