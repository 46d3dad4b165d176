use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use self::sides::{End, SIDES, Side, chain, chain_with_limit, send};
use super::*;
use crate::clock;

pub(super) use self::sides::manifest;

mod sides;

const ONE: &str = "window: {min: 1, max: 1}\n  algorithm: {type: Fixed}";

/// An inner service that answers at once, and counts.
#[derive(Clone, Default)]
struct Inner(Arc<AtomicUsize>);

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        self.0.fetch_add(1, Relaxed);
        std::future::ready(Ok(Response::new(Full::from("answer"))))
    }
}

fn get(headers: &[(&str, &str)]) -> Request<()> {
    let request = Request::get("/search?q=a");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
}

#[tokio::test]
async fn what_finds_the_window_full_is_refused_and_never_arrives() {
    for side in SIDES {
        let (chain, inner) = (chain(ONE), Inner::default());
        let held = send(side, &chain, inner.clone(), get(&[])).await.answer();
        let refusal = send(side, &chain, inner.clone(), get(&[])).await.refusal();
        assert_eq!(refusal, ("WindowClosed", Some(1)), "{side:?}");
        assert_eq!(inner.0.load(Relaxed), 1, "{side:?}");
        drop(held);
        send(side, &chain, inner, get(&[])).await.answer();
        assert_eq!(chain.report().in_flight, 0, "{side:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_the_proxy_says() {
    let (chain, inner) = (chain(ONE), Inner::default());
    let _held = send(Side::Client, &chain, inner.clone(), get(&[])).await.answer();
    let error = chain.client_layer().layer(inner.clone()).oneshot(get(&[])).await.unwrap_err();
    assert_eq!(error.to_string(), "congestion window closed, backoff from backpressure");
    let answer = chain.server_layer().layer(inner.clone()).oneshot(get(&[])).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(
        body.starts_with(br#"{"status":"error","errorType":"throttle-proxy","error":"congestion window"#)
    );
    let call = get(&[("content-type", "application/grpc")]);
    let answer = chain.server_layer().layer(inner).oneshot(call).await.unwrap();
    assert_eq!((answer.status(), &answer.headers()["grpc-status"]), (StatusCode::OK, &"8".parse().unwrap()));
}

#[tokio::test]
async fn a_place_is_held_until_the_last_byte() {
    let pieces = service_fn(|_: Request<()>| async {
        let pieces = ["a", "b"].map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
        Ok::<_, Infallible>(Response::new(StreamBody::new(stream::iter(pieces))))
    });
    for side in SIDES {
        let chain = chain(ONE);
        let answer = match side {
            Side::Server => chain.server_layer().layer(pieces).oneshot(get(&[])).await.unwrap(),
            Side::Client => chain.client_layer().layer(pieces).oneshot(get(&[])).await.unwrap(),
        };
        let mut body = answer.into_body();
        for _ in 0..2 {
            assert_eq!(chain.report().in_flight, 1, "{side:?}");
            body.frame().await.unwrap().unwrap();
        }
        assert!(body.frame().await.is_none());
        assert_eq!(chain.report().in_flight, 0, "{side:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_blocked_is_not_counted_by_a_limit_nor_held_back() {
    let spec = format!(
        "{ONE}\n  jitter: {{max: 1m, when: Always}}\n  block: [{{header: User-Agent, pattern: bot}}]"
    );
    for side in SIDES {
        let (chain, inner) = (chain_with_limit(&spec), Inner::default());
        let began = clock::timer();
        let bot = get(&[("user-agent", "a robot or bot"), ("x-account", "7")]);
        assert_eq!(send(side, &chain, inner.clone(), bot).await.refusal(), ("Blocked", None), "{side:?}");
        assert_eq!(began.elapsed(), Duration::ZERO, "{side:?}");
        let person = get(&[("x-account", "7")]);
        send(side, &chain, inner, person).await.answer();
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_over_a_limit_is_not_held_back_and_asks_no_window() {
    let spec = format!("{ONE}\n  jitter: {{max: 1m, when: Always}}");
    for side in SIDES {
        let (chain, inner) = (chain_with_limit(&spec), Inner::default());
        let _held = send(side, &chain, inner.clone(), get(&[("x-account", "7")])).await.answer();
        let began = clock::timer();
        let (reason, after) = send(side, &chain, inner.clone(), get(&[("x-account", "7")])).await.refusal();
        assert_eq!(
            (reason, after.is_some(), began.elapsed()),
            ("RateLimited", true, Duration::ZERO),
            "{side:?}"
        );
        let other = send(side, &chain, inner.clone(), get(&[("x-account", "8")])).await.refusal();
        assert_eq!(other, ("WindowClosed", Some(1)), "{side:?}");
        assert!(began.elapsed() > Duration::ZERO, "it was held back before it asked the window: {side:?}");
        assert_eq!(inner.0.load(Relaxed), 1, "{side:?}");
    }
}

#[tokio::test]
async fn what_is_left_of_a_limit_is_told_by_servers() {
    let (chain, inner) = (chain_with_limit(ONE), Inner::default());
    let answer = send(Side::Server, &chain, inner.clone(), get(&[("x-account", "7")])).await.answer();
    assert!(answer.headers()["ratelimit"].to_str().unwrap().starts_with("\"once\";r=0;"));
    drop(answer);
    let answer = send(Side::Client, &chain, inner, get(&[("x-account", "8")])).await.answer();
    assert!(answer.headers().is_empty(), "what the server said is all that a client hears");
}

#[tokio::test(start_paused = true)]
async fn who_is_held_back_holds_no_place() {
    for side in SIDES {
        let (chain, inner) =
            (chain(&format!("{ONE}\n  jitter: {{max: 1h, when: Always}}")), Inner::default());
        let (waits, asks) = (chain.clone(), inner.clone());
        let waiting = tokio::spawn(async move { send(side, &waits, asks, get(&[])).await });
        tokio::task::yield_now().await;
        assert_eq!((chain.report().in_flight, inner.0.load(Relaxed)), (0, 0), "{side:?}");
        waiting.await.unwrap().answer();
        let began = clock::timer();
        waiting_is_cut_short(side, &chain, &inner).await;
        assert!(began.elapsed() < Duration::from_millis(2), "{side:?}");
    }
}

/// Whoever leaves while it is held back is not forwarded.
async fn waiting_is_cut_short(side: Side, chain: &Chain, inner: &Inner) {
    let before = inner.0.load(Relaxed);
    let leaving = tokio::time::timeout(Duration::from_millis(1), send(side, chain, inner.clone(), get(&[])));
    assert!(leaving.await.is_err(), "an hour has few milliseconds that are the first");
    assert_eq!((chain.report().in_flight, inner.0.load(Relaxed)), (0, before));
}

#[tokio::test]
async fn what_a_route_passes_through_meets_nothing_and_what_it_denies_never_arrives() {
    let spec = format!(
        "{ONE}\n  block: [{{header: User-Agent, pattern: bot}}]\n  routes:\n  - {{match: {{path: {{value: /healthz}}}}, action: PassThrough}}\n  \
         - {{match: {{path: {{value: /admin}}}}, action: Deny}}"
    );
    for side in SIDES {
        let (chain, inner) = (chain(&spec), Inner::default());
        let probe = || Request::get("/healthz").header("user-agent", "bot").body(()).unwrap();
        let _one = send(side, &chain, inner.clone(), probe()).await.answer();
        let _two = send(side, &chain, inner.clone(), probe()).await.answer();
        assert_eq!(chain.report().in_flight, 0, "{side:?}");
        let admin = send(side, &chain, inner.clone(), Request::get("/admin").body(()).unwrap()).await;
        assert_eq!(admin.refusal(), ("Denied", None), "{side:?}");
        assert_eq!(inner.0.load(Relaxed), 2, "{side:?}");
    }
}

#[tokio::test]
async fn cheap_queries_pass_by_the_window_where_the_address_tells() {
    let spec = format!("{ONE}\n  promqlBypass: {{enabled: true}}");
    for side in SIDES {
        let (chain, inner) = (chain(&spec), Inner::default());
        let ask =
            |request: http::request::Builder| send(side, &chain, inner.clone(), request.body(()).unwrap());
        let _held = ask(Request::get("/")).await.answer();
        drop(ask(Request::get("/api/v1/query?query=up")).await.answer());
        ask(Request::get("/api/v1/query?query=up+offset+3h")).await.refusal();
        // A form might say otherwise, and its body is not ours to read.
        let form = Request::post("/api/v1/query?query=up")
            .header("content-type", "application/x-www-form-urlencoded");
        ask(form).await.refusal();
    }
}

#[tokio::test]
async fn requests_and_answers_pass_as_they_are() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u8);
    for side in SIDES {
        let seen = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&seen);
        let inner = service_fn(move |request: Request<&'static str>| {
            *keep.lock().unwrap() = Some(request);
            let answer = Response::builder().status(201).header("connection", "close").extension(Mark(2));
            std::future::ready(Ok::<_, io::Error>(answer.body(Full::from("answer")).unwrap()))
        });
        let request =
            Request::put("http://h:1/a//b/../c?d").header("connection", "x").header("x-can-wait", "1s");
        let request = request.version(http::Version::HTTP_2).extension(Mark(1)).body("body").unwrap();
        let answer = send(side, &chain(ONE), inner, request).await.answer();
        let seen = seen.lock().unwrap().take().unwrap();
        assert_eq!(
            (seen.method().as_str(), seen.uri().to_string().as_str()),
            ("PUT", "http://h:1/a//b/../c?d")
        );
        assert_eq!((seen.version(), seen.headers().len()), (http::Version::HTTP_2, 2));
        assert_eq!((seen.extensions().get(), *seen.body()), (Some(&Mark(1)), "body"));
        assert_eq!((answer.status().as_u16(), answer.extensions().get()), (201, Some(&Mark(2))));
        assert_eq!(answer.headers()["connection"], "close");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "answer");
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_a_failure_and_passes_as_it_is() {
    for side in SIDES {
        let chain = chain("window: {min: 1, max: 100}\n  algorithm: {type: AIMD}");
        let before = chain.report().window;
        let broken = service_fn(|_: Request<()>| async { Err(io::Error::other("the wire is cut")) });
        let End::Failed(text) = send(side, &chain, broken, get(&[])).await else { panic!("{side:?}") };
        assert_eq!(text, "the wire is cut");
        let report = chain.report();
        assert!(report.window < before, "{side:?}: {report:?}");
        assert_eq!(report.in_flight, 0, "{side:?}");
        assert_eq!(chain.gate().metrics.routes[0].errors.get(), 1, "{side:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_cut_off_at_its_deadline_and_a_client_is_not() {
    let slow = || {
        service_fn(|_: Request<()>| async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok::<_, io::Error>(Response::new(Full::from("late")))
        })
    };
    let chain = chain("window: {min: 1, max: 100}\n  algorithm: {type: AIMD}\n  timeouts: {request: 1s}");
    let before = chain.report().window;
    send(Side::Client, &chain, slow(), get(&[])).await.answer();
    assert_eq!(chain.report().window, before);
    let End::Failed(text) = send(Side::Server, &chain, slow(), get(&[])).await else { panic!("it is late") };
    assert_eq!(text, "late");
    assert!(chain.report().window < before);
}

#[tokio::test]
async fn a_wait_that_cannot_be_read_is_the_callers_mistake() {
    for side in SIDES {
        let (chain, inner) = (chain(&format!("{ONE}\n  jitter: {{max: 1ms}}")), Inner::default());
        let End::Malformed(text) = send(side, &chain, inner.clone(), get(&[("x-can-wait", "soon")])).await
        else {
            panic!("{side:?}")
        };
        assert!(text.contains("X-Can-Wait"), "{text}");
        assert_eq!(inner.0.load(Relaxed), 0, "{side:?}");
    }
}

/// An inner service that is never ready.
#[derive(Clone)]
struct Busy;

impl Service<Request<()>> for Busy {
    type Response = Response<Full<Bytes>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test]
async fn who_waits_for_the_inner_service_holds_a_place_and_who_is_refused_does_not_wait() {
    for side in SIDES {
        let chain = chain(ONE);
        let waits = chain.clone();
        let waiting = tokio::spawn(async move { send(side, &waits, Busy, get(&[])).await });
        tokio::task::yield_now().await;
        assert_eq!(chain.report().in_flight, 1, "{side:?}");
        assert_eq!(send(side, &chain, Busy, get(&[])).await.refusal(), ("WindowClosed", Some(1)), "{side:?}");
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(chain.report().in_flight, 0, "{side:?}: who gives up gives its place back");
    }
}

#[test]
fn who_asks_is_told_by_extensions() {
    let mut request = Request::new(());
    assert_eq!(way::client(request.extensions()).to_string(), "0.0.0.0");
    let connected: std::net::SocketAddr = "10.0.0.1:5".parse().unwrap();
    request.extensions_mut().insert(axum::extract::ConnectInfo(connected));
    assert_eq!(way::client(request.extensions()).to_string(), "10.0.0.1");
    request.extensions_mut().insert(ClientAddress("10.0.0.2".parse().unwrap()));
    assert_eq!(way::client(request.extensions()).to_string(), "10.0.0.2");
}
