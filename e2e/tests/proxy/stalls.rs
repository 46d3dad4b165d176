//! Clients that stop in the middle of a request: nobody holds a place in the window without end. Those that
//! are merely slow are waited for.

use std::time::Duration;

use e2e::bodies::{count, pieces, read, zeros};
use e2e::clock::{PATIENCE, await_condition};
use e2e::frames::{Frame, Frames, flag, headers, kind, request};
use e2e::speak::Speaker;
use e2e::upstream::Upstream;
use e2e::wire::Wire;
use http::Request;
use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::harness::{CLOSED, Proxy, get};

const IDLE: &str = "timeouts: {idle: 400ms}";
const UPGRADE: &str =
    "GET /upgrade HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// Waits for longer than a client may be still: for some that say nothing, one after the other.
async fn time_passes(proxy: &Proxy) {
    for _ in 0..3 {
        proxy.wire().await.closes().await;
    }
}

#[tokio::test]
async fn who_stops_reading_holds_no_place_for_long() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[IDLE]).await;
    let mut wire = proxy.wire().await;
    wire.send("GET /zeros/100000000 HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut speaker = Speaker::two(proxy.at).await;
    let answer = speaker.send(get("/zeros/100000000")).await.unwrap();
    // Nobody reads either of them.
    proxy.flies(2).await;
    proxy.flies(0).await;
    await_condition("the upstream is let go", async || upstream.open() == 0).await;
    assert!(count(answer.into_body()).await.is_err(), "its stream has no clean end");
    wire.closes().await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn who_leaves_no_room_for_an_answer_holds_no_place_for_long() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[IDLE]).await;
    // A stream on which nothing may be sent, ever.
    let mut frames = Frames::to(proxy.at, &[(4, 0)]).await;
    let whole = flag::END_HEADERS | flag::END_STREAM;
    frames.send(&[Frame::new(kind::HEADERS, whole, 1, headers(&request("GET", "/")))]).await;
    assert!(frames.next_of(&[kind::HEADERS], 1).await.is_some());
    // Answers that nobody reads before the one whose turn never comes.
    let mut wire = proxy.wire().await;
    wire.send("GET /zeros/60000 HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1000)).await;
    proxy.flies(2).await;
    proxy.flies(0).await;
    drop((frames, wire));
    proxy.still_forwards().await;
}

/// Slow clients take something so often, in a fraction of the time that they may be still.
const SLOWLY: Duration = Duration::from_millis(100);

#[tokio::test]
async fn who_reads_slowly_over_http_1_is_not_cut() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {idle: 1s}"]).await;
    let mut wire = proxy.wire().await;
    wire.send("GET /zeros/6000000 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert_eq!(wire.head().await.unwrap().status(), 200);
    // 200 KB a second: what the system keeps by itself would last for longer than a client may be still.
    let (mut pace, mut piece) = (tokio::time::interval(SLOWLY), vec![0; 20_000]);
    for _ in 0..40 {
        pace.tick().await;
        wire.stream().read_exact(&mut piece).await.unwrap();
    }
    let rest = wire.rest().await.unwrap();
    assert!(
        rest.len() > 5_000_000 && rest.ends_with(b"\r\n0\r\n\r\n"),
        "it is cut {} bytes later",
        rest.len()
    );
    drop(wire);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn who_reads_slowly_over_http_2_is_not_cut() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {idle: 1s}"]).await;
    let mut frames = Frames::to(proxy.at, &[]).await;
    let whole = flag::END_HEADERS | flag::END_STREAM;
    frames.send(&[Frame::new(kind::HEADERS, whole, 1, headers(&request("GET", "/zeros/1000000")))]).await;
    assert!(frames.next_of(&[kind::HEADERS], 1).await.is_some());
    let mut pace = tokio::time::interval(SLOWLY);
    let (mut left, mut slow) = (1_000_000, 40);
    while left > 0 {
        let frame = frames.next_of(&[kind::DATA, kind::RST_STREAM], 1).await.unwrap();
        assert_eq!(frame.kind, kind::DATA, "it is cut {left} bytes before its end");
        left -= frame.payload.len();
        if slow > 0 {
            slow -= 1;
            pace.tick().await;
        }
        let taken = u32::try_from(frame.payload.len()).unwrap().to_be_bytes();
        let room = [0, 1].map(|stream| Frame::new(kind::WINDOW_UPDATE, flag::NONE, stream, taken));
        assert!(left == 0 || frames.send(&room).await);
    }
    drop(frames);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn uploads_that_the_upstream_does_not_read_leave_room_for_others() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[IDLE]).await;
    let mut two = Speaker::two(proxy.at).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut beside = two.beside();
        held.push(tokio::spawn(async move {
            let upload = Request::post("/hold").body(zeros(1 << 30)).unwrap();
            beside.send(upload).await.is_ok()
        }));
    }
    proxy.flies(4).await;
    // All that takes bytes ahead is full by then.
    time_passes(&proxy).await;
    let fifth = two.send(Request::post("/count").body(zeros(1_000)).unwrap()).await.unwrap();
    assert_eq!(fifth.status(), 200);
    assert_eq!(read(fifth.into_body()).await.unwrap().0, "1000");
    for upload in held {
        upload.abort();
    }
    drop(two);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn an_upstream_that_is_quiet_costs_its_clients_nothing() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[IDLE]).await;
    let (mut one, mut two) = (Speaker::one(proxy.at).await, Speaker::two(proxy.at).await);
    let mut answers = Vec::new();
    for speaker in [&mut one, &mut two] {
        let mut answer = speaker.send(get("/early")).await.unwrap().into_body();
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
        answers.push(answer);
    }
    time_passes(&proxy).await;
    upstream.release();
    for answer in answers {
        assert_eq!(read(answer).await.unwrap().0, "last");
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_tunnel_on_which_nothing_moves_is_closed() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(2, upstream.at(), &[IDLE]).await;
    let mut still = proxy.wire().await;
    let mut connected = proxy.wire().await;
    still.send(UPGRADE).await;
    connected.send("CONNECT host:80 HTTP/1.1\r\nhost: host:80\r\n\r\n").await;
    for (wire, status) in [(&mut still, 101), (&mut connected, 200)] {
        assert_eq!(wire.head().await.unwrap().status(), status);
    }
    still.send("once").await;
    assert_eq!(still.exactly(4).await.unwrap(), b"once");
    assert_eq!(proxy.get("/", &[]).await.body, CLOSED.as_bytes());
    still.closes().await;
    connected.closes().await;
    await_condition("the upstream is let go", async || upstream.open() == 0).await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_tunnel_on_which_something_moves_stays() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {idle: 2s}"]).await;
    let mut wire = proxy.wire().await;
    wire.send(UPGRADE).await;
    assert_eq!(wire.head().await.unwrap().status(), 101);
    let mut others: Vec<Wire> = Vec::new();
    for _ in 0..3 {
        others.push(proxy.wire().await);
    }
    let mut talks = async || {
        wire.send("ping").await;
        assert_eq!(wire.exactly(4).await.unwrap(), b"ping");
    };
    for other in &mut others {
        // As long as somebody who says nothing may stay.
        let mut gone = std::pin::pin!(other.closes());
        while futures_util::poll!(gone.as_mut()).is_pending() {
            talks().await;
        }
    }
    drop(wire);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_body_that_stops_coming_is_told_so_and_holds_no_place() {
    for protocol in ["HTTP1", "HTTP2"] {
        let upstream = Upstream::start().await;
        let spec = format!("upstream: {{url: \"http://{}\", protocol: {protocol}}}", upstream.at());
        let mut proxy = Proxy::before(upstream.at(), &[&spec, IDLE]).await;
        for framing in [
            "content-length: 5\r\n\r\n",
            "content-length: 5\r\n\r\nslow",
            "transfer-encoding: chunked\r\n\r\n5\r\n",
        ] {
            let mut wire = proxy.wire().await;
            wire.send(format!("POST /count HTTP/1.1\r\nhost: test\r\n{framing}")).await;
            let answer = wire.answer("POST").await.unwrap();
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(answer.head.status(), 408, "{protocol} {framing:?}: {body}");
            assert!(body.contains("\"error\":\"the request's body stopped coming"), "{body}");
            wire.closes().await;
        }
        let mut two = Speaker::two(proxy.at).await;
        let (_sender, body) = pieces();
        let answer = two.send(Request::post("/count").body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 408, "{protocol}");
        await_condition("the upstream sees no whole body", async || upstream.broken() == 4).await;
        drop(two);
        proxy.flies(0).await;
        assert_eq!(proxy.get("/", &[]).await.body, b"hello");
        proxy.is_at_rest().await;
    }
}

#[tokio::test]
async fn a_form_that_stops_coming_before_the_window_is_told_so_too() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["promqlBypass: {enabled: true}", IDLE]).await;
    let mut wire = proxy.wire().await;
    let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 8\r\n\r\nquery=";
    wire.send(format!("POST /api/v1/query HTTP/1.1\r\nhost: test\r\n{form}")).await;
    assert_eq!(wire.answer("POST").await.unwrap().head.status(), 408);
    wire.closes().await;
    assert_eq!(upstream.seen().len(), 0);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn who_may_be_silent_is_waited_for() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[IDLE]).await;
    // A stream of gRPC before its answer, and any other after its answer has begun.
    let mut two = Speaker::two(proxy.at).await;
    let (call_sender, body) = pieces();
    let call = Request::post("/grpc.Echo/Call").header("content-type", "application/grpc+proto");
    let call = call.header("te", "trailers").body(body).unwrap();
    let mut calling = two.beside();
    let calling = tokio::spawn(async move { calling.send(call).await });
    let (echo_sender, body) = pieces();
    let echo = two.send(Request::post("/echo").body(body).unwrap()).await.unwrap();
    time_passes(&proxy).await;
    let frame = |text: &'static str| Ok(hyper::body::Frame::data(text.into()));
    for sender in [call_sender, echo_sender] {
        sender.send(frame("at last")).await.unwrap();
    }
    for answer in [calling.await.unwrap().unwrap(), echo] {
        assert_eq!(read(answer.into_body()).await.unwrap().0, "at last");
    }
    drop(two);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn only_streams_of_rpc_may_be_silent() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[IDLE]).await;
    let mut two = Speaker::two(proxy.at).await;
    for kind in
        ["application/grpc-web", "application/grpc-web+proto", "application/connect", "application/grpcx"]
    {
        let (_sender, body) = pieces();
        let silent = Request::post("/count").header("content-type", kind).body(body).unwrap();
        let answer = timeout(PATIENCE, two.send(silent)).await.expect("an answer in time");
        assert_eq!(answer.unwrap().status(), 408, "{kind}");
    }
    // Nobody speaks gRPC over HTTP/1.1.
    let mut wire = proxy.wire().await;
    wire.send(
        "POST /count HTTP/1.1\r\nhost: test\r\ncontent-type: application/grpc\r\ncontent-length: 5\r\n\r\n",
    )
    .await;
    assert_eq!(wire.answer("POST").await.unwrap().head.get("grpc-status"), Some("4"));
    drop(two);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn without_a_bound_there_is_none() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {idle: 0s}"]).await;
    let mut others = Proxy::before(upstream.at(), &[IDLE]).await;
    let (mut upload, mut tunnel) = (proxy.wire().await, proxy.wire().await);
    upload.send("POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nslow").await;
    tunnel.send(UPGRADE).await;
    assert_eq!(tunnel.head().await.unwrap().status(), 101);
    time_passes(&others).await;
    assert_eq!(proxy.in_flight().await, 2);
    upload.send("!").await;
    assert_eq!(upload.answer("POST").await.unwrap().body, b"5");
    tunnel.send("x").await;
    assert_eq!(tunnel.exactly(1).await.unwrap(), b"x");
    drop(tunnel);
    proxy.still_forwards().await;
    others.is_at_rest().await;
}
