use super::server::{Do, Server, answer};
use super::*;

/// An address on which nobody listens.
async fn nobody() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn endpoints_are_asked_in_turn() {
    let (one, two) = (Server::start(|_| answer("")).await, Server::start(|_| answer("")).await);
    let pool = pool(&declared(), &[one.address, two.address]);
    for _ in 0..6 {
        read(pool.send(get("/")).await.unwrap()).await;
    }
    assert_eq!((one.asked(), two.asked()), (3, 3));
}

#[tokio::test]
async fn the_endpoint_with_the_fewest_requests_is_asked() {
    let slow = Server::start(|_| Do::Wait).await;
    let fast = Server::start(|_| answer("")).await;
    let upstream = Upstream { balance: Balance::LeastInFlight, ..declared() };
    let pool = pool(&upstream, &[slow.address, fast.address]);
    let stuck = tokio::spawn({
        let pool = pool.clone();
        async move { pool.send(get("/")).await.is_ok() }
    });
    until(|| slow.asked() == 1).await;
    for _ in 0..5 {
        read(pool.send(get("/")).await.unwrap()).await;
    }
    assert_eq!((slow.asked(), fast.asked()), (1, 5));
    stuck.abort();
    until(|| pool.backend().endpoints().all().iter().all(|endpoint| endpoint.in_flight() == 0)).await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_connected_to_is_passed_over() {
    let server = Server::start(|_| answer("")).await;
    let dead = nobody().await;
    let pool = pool(&declared(), &[dead, server.address]);
    for _ in 0..6 {
        read(pool.send(get("/")).await.unwrap()).await;
    }
    assert_eq!(server.asked(), 6);
    let down = |endpoint: &Arc<Endpoint>| endpoint.is_down() == (endpoint.address() == dead);
    assert!(pool.backend().endpoints().all().iter().all(down));
}

#[tokio::test]
async fn where_nobody_can_be_connected_to_that_is_said() {
    let dead = nobody().await;
    let pool = pool(&declared(), &[dead]);
    let error = pool.send(get("/")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_unsent()), ("connect", true));
    assert!(error.to_string().starts_with(&format!("cannot connect to {dead}: ")), "{error}");
    assert_eq!(pool.backend().open_connections(), 0);
    let none = Endpoints::none("no endpoint of the Service shop/api is ready");
    let pool: Pool<Full<Bytes>> = Pool::new(&Backend::new(&declared(), none, &Secrets::default()));
    assert_eq!(
        pool.send(get("/")).await.unwrap_err().to_string(),
        "the upstream has no endpoints: no endpoint of the Service shop/api is ready"
    );
}

#[tokio::test]
async fn an_endpoint_that_is_gone_gets_no_request_and_keeps_no_connection() {
    let (one, two) = (Server::start(|_| answer("")).await, Server::start(|_| answer("")).await);
    let endpoints = Endpoints::fixed(&[one.address]);
    let upstream = Upstream { idle_timeout: Some(Duration::from_millis(100)), ..declared() };
    let pool: Pool<Full<Bytes>> = Pool::new(&Backend::new(&upstream, endpoints.clone(), &Secrets::default()));
    read(pool.send(get("/")).await.unwrap()).await;
    endpoints.set(&[two.address], None);
    read(pool.send(get("/")).await.unwrap()).await;
    assert_eq!((one.asked(), two.asked()), (1, 1));
    until(|| one.open() == 0).await;
}

#[tokio::test]
async fn a_connection_that_is_idle_too_long_is_closed() {
    let server = Server::start(|_| answer("")).await;
    let upstream = Upstream { idle_timeout: Some(Duration::from_millis(50)), ..declared() };
    let pool = pool(&upstream, &[server.address]);
    read(pool.send(get("/")).await.unwrap()).await;
    until(|| server.open() == 0 && pool.idle() == 0).await;
    read(pool.send(get("/")).await.unwrap()).await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn no_more_connections_are_open_than_may_be() {
    let server = Server::start(|_| Do::Wait).await;
    let upstream =
        Upstream { max_connections: 2, connect_timeout: Some(Duration::from_millis(100)), ..declared() };
    let pool = pool(&upstream, &[server.address]);
    let stuck: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.send(get("/")).await.is_ok() })
        })
        .collect();
    until(|| server.asked() == 2).await;
    let error = pool.send(get("/")).await.unwrap_err();
    assert_eq!(error.kind(), "too_many_connections");
    assert_eq!((server.accepted(), pool.backend().open_connections()), (2, 2));
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
    until(|| pool.backend().open_connections() == 0).await;
}

#[tokio::test]
async fn who_waits_gets_the_connection_that_comes_free() {
    let server = Server::start(|_| answer("0123456789")).await;
    let pool = pool(&Upstream { max_connections: 1, ..declared() }, &[server.address]);
    let all: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { read(pool.send(get("/")).await.unwrap()).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), "0123456789");
    }
    assert_eq!((server.asked(), server.accepted()), (20, 1));
}

#[tokio::test]
async fn an_idle_connection_of_another_thread_gives_its_place() {
    let server = Server::start(|_| answer("")).await;
    // Less than the time after which idle connections are looked after anyhow.
    let connect_timeout = Some(Duration::from_secs(2));
    let upstream = Upstream { max_connections: 1, connect_timeout, ..declared() };
    for begun in [false, true] {
        let accepted = server.accepted();
        let one = pool(&upstream, &[server.address]);
        let other: Pool<Full<Bytes>> = Pool::new(one.backend());
        read(one.send(get("/")).await.unwrap()).await;
        assert_eq!(one.idle(), 1);
        if begun {
            tokio::task::yield_now().await;
        }
        // Whether the task that looks after it has begun or not, it hears who waits.
        read(other.send(get("/")).await.unwrap()).await;
        assert_eq!((one.idle(), server.accepted()), (0, accepted + 2), "begun: {begun}");
    }
}

#[tokio::test]
async fn connecting_takes_no_longer_than_it_may() {
    // A listener whose queue is full does not answer.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let fill: Vec<_> = (0..4).map(|_| tokio::spawn(tokio::net::TcpStream::connect(address))).collect();
    until(|| fill.iter().filter(|one| one.is_finished()).count() >= 2).await;
    let upstream = Upstream { connect_timeout: Some(Duration::from_millis(50)), ..declared() };
    let pool = pool(&upstream, &[address]);
    let error = pool.send(get("/")).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{address} did not take a connection within 50ms"));
    assert_eq!(pool.backend().open_connections(), 0);
}

#[tokio::test]
async fn a_name_is_followed() {
    let server = Server::start(|_| answer("")).await;
    let port = server.address.port();
    let target = Target::Url { tls: None, host: "localhost".into(), port, base_path: String::new() };
    let (endpoints, _following) = Endpoints::follow(&target, &ResolveContext::default());
    assert_eq!(endpoints.trouble().as_deref(), Some("localhost is being looked up"));
    until(|| endpoints.all().iter().any(|endpoint| endpoint.address() == server.address)).await;
    assert_eq!(endpoints.trouble(), None);
    let pool: Pool<Full<Bytes>> = Pool::new(&Backend::new(&declared(), endpoints, &Secrets::default()));
    read(pool.send(get("/")).await.unwrap()).await;
    assert_eq!(server.asked(), 1);
}
