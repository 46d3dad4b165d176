use std::sync::Mutex;

use super::server::{Do, Server, answer};
use super::*;

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let server = Server::start(|request| answer(request.lines().next().unwrap())).await;
    let pool = pool(&declared(), &[server.address]);
    for _ in 0..5 {
        assert_eq!(read(pool.send(get("/a?b=c")).await.unwrap()).await, "GET /a?b=c HTTP/1.1");
    }
    assert_eq!(server.accepted(), 1);
    assert_eq!(pool.backend().open_connections(), 1);
}

#[tokio::test]
async fn an_answer_that_came_whole_leaves_its_connection_at_once() {
    let server = Server::start(|_| answer("whole")).await;
    let pool = pool(&declared(), &[server.address]);
    let (first, second) = (pool.send(get("/")).await.unwrap(), pool.send(get("/")).await.unwrap());
    assert_eq!((read(first).await, read(second).await), ("whole".into(), "whole".into()));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_answer_that_comes_in_chunks_is_read_while_it_comes() {
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
    let server = Server::start(|_| Do::Say(chunks.into())).await;
    let pool = pool(&declared(), &[server.address]);
    for _ in 0..3 {
        assert_eq!(read(pool.send(get("/")).await.unwrap()).await, "onetwo");
        until(|| pool.idle() == 1).await;
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_answer_that_is_not_read_to_its_end_closes_its_connection() {
    let server = Server::start(|_| Do::Say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".into())).await;
    let pool = pool(&declared(), &[server.address]);
    let (response, lease) = pool.send(get("/")).await.unwrap();
    drop(response);
    drop(lease);
    until(|| server.open() == 0 && pool.backend().open_connections() == 0).await;
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn a_request_that_is_given_up_closes_its_connection() {
    let server = Server::start(|_| Do::Wait).await;
    let pool = pool(&declared(), &[server.address]);
    let sent = tokio::spawn({
        let pool = pool.clone();
        async move { pool.send(get("/")).await.is_ok() }
    });
    until(|| server.asked() == 1).await;
    sent.abort();
    until(|| server.open() == 0 && pool.backend().open_connections() == 0).await;
}

#[tokio::test]
async fn a_request_goes_to_a_new_connection_where_the_idle_one_was_closed() {
    let server = Server::start(|request| {
        let said = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned();
        if request.starts_with("GET /close") { Do::SayAndClose(said) } else { Do::Say(said) }
    })
    .await;
    let pool = pool(&declared(), &[server.address]);
    assert_eq!(read(pool.send(get("/close")).await.unwrap()).await, "ok");
    until(|| server.open() == 0).await;
    assert_eq!(read(pool.send(get("/")).await.unwrap()).await, "ok");
    assert_eq!((server.accepted(), server.asked()), (2, 2));
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again() {
    let server = Server::start(|_| Do::Close).await;
    let pool = pool(&declared(), &[server.address]);
    let request = Request::post("/").body(Full::from("body")).unwrap();
    let error = pool.send(request).await.unwrap_err();
    assert_eq!((error.kind(), error.is_unsent()), ("broken", false), "{error}");
    assert_eq!(server.asked(), 1);
    assert_eq!(pool.backend().open_connections(), 0);
}

#[tokio::test]
async fn requests_are_put_behind_the_base_path_and_name_a_host() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = Server::start(move |request| {
        seen.lock().unwrap().push(request.to_owned());
        answer("")
    })
    .await;
    let mut upstream = declared();
    upstream.target =
        Target::Url { tls: None, host: "shop.example".into(), port: 81, base_path: "/v1".into() };
    let pool = pool(&upstream, &[server.address]);
    read(pool.send(get("/a?b")).await.unwrap()).await;
    let absolute = Request::get("http://other.example/a").body(Full::default()).unwrap();
    read(pool.send(absolute).await.unwrap()).await;
    let nameless = Request::get("/").body(Full::default()).unwrap();
    read(pool.send(nameless).await.unwrap()).await;
    let heads = heads.lock().unwrap();
    let starts = [
        "GET /v1/a?b HTTP/1.1\r\nhost: client.example\r\n",
        "GET /v1/a HTTP/1.1\r\nhost: other.example\r\n",
        "GET /v1/ HTTP/1.1\r\nhost: shop.example:81\r\n",
    ];
    for (head, start) in heads.iter().zip(starts) {
        assert!(head.starts_with(start), "{head}");
    }
}

#[tokio::test]
async fn a_connection_can_become_another_protocols() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start(|_| Do::Echo).await;
    let pool = pool(&declared(), &[server.address]);
    let mut request = get("/chat");
    request.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
    request.headers_mut().insert("upgrade", HeaderValue::from_static("echo"));
    let (response, lease) = pool.send(request).await.unwrap();
    assert_eq!(response.status(), 101);
    let mut io = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    io.write_all(b"hello").await.unwrap();
    let mut said = [0; 5];
    io.read_exact(&mut said).await.unwrap();
    assert_eq!((&said, pool.idle()), (b"hello", 0));
    drop((io, lease));
    until(|| server.open() == 0 && pool.backend().open_connections() == 0).await;
}

#[tokio::test]
async fn a_body_is_sent_while_it_comes() {
    let server = Server::start(|request| answer(&request.len().to_string())).await;
    let pool = pool(&declared(), &[server.address]);
    let request = Request::post("/").body(Full::from(vec![b'x'; 1 << 20])).unwrap();
    let said: usize = read(pool.send(request).await.unwrap()).await.parse().unwrap();
    assert!(said > 1 << 20);
    read(pool.send(get("/")).await.unwrap()).await;
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn what_comes_before_an_answer_is_bounded() {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let server = Server::start(|request| {
        let hints = if request.starts_with("GET /many") { 100_000 } else { 1_000 };
        Do::Say(HINT.repeat(hints) + ANSWER)
    })
    .await;
    let pool = pool(&declared(), &[server.address]);
    // Each request has its own.
    for _ in 0..40 {
        assert_eq!(read(pool.send(get("/few")).await.unwrap()).await, "ok");
        until(|| pool.idle() == 1).await;
    }
    assert_eq!(server.accepted(), 1);
    let error = pool.send(get("/many")).await.unwrap_err();
    assert_eq!(error.kind(), "broken");
    assert!(error.to_string().ends_with("it has sent 1048576 bytes, and no answer is among them"), "{error}");
    until(|| server.open() == 0 && pool.backend().open_connections() == 0).await;
    // A body may be as long as it likes.
    let long = "x".repeat(3 << 20);
    let server = Server::start(move |_| answer(&long)).await;
    let pool = self::pool(&declared(), &[server.address]);
    assert_eq!(read(pool.send(get("/")).await.unwrap()).await.len(), 3 << 20);
}
