//! What `bench/proxy` needs beside `wrk`: connections that do nothing, and requests that take for ever.
//!
//! ```text
//! bench-http ports COUNT                   ports of the loopback that nobody listens on, one a line
//! bench-http idle SERVER PATH COUNT        opens COUNT connections, asks each of them once, keeps them
//! bench-http hold UPSTREAM PROXY PATH COUNT
//!                                          is the upstream that does not answer, and COUNT clients of the
//!                                          proxy before it
//! ```
//! `idle` and `hold` say `ready` once all connections are there, and end at SIGTERM: with an error where a
//! connection was lost meanwhile, or where a held request is not answered then.

use std::error::Error;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const USAGE: &str = "bench-http ports COUNT | idle SERVER PATH COUNT | hold UPSTREAM PROXY PATH COUNT";
/// Connections that are opened at once: fewer than any listener's backlog.
const AT_ONCE: usize = 32;
/// No head here is longer.
const LONGEST_HEAD: usize = 64 * 1024;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["ports", count] => ports(count.parse()?)?,
        ["idle", server, path, count] => idle(server.parse()?, path, count.parse()?).await?,
        ["hold", upstream, proxy, path, count] => {
            hold(upstream.parse()?, proxy.parse()?, path, count.parse()?).await?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// All are bound at once before they are let go, so that they differ.
fn ports(count: usize) -> Result<(), Failure> {
    let bound: Result<Vec<_>, _> = (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect();
    for listener in bound? {
        println!("{}", listener.local_addr()?.port());
    }
    Ok(())
}

/// A connection that has been used shows what a client between two requests costs.
async fn idle(server: SocketAddr, path: &str, count: usize) -> Result<(), Failure> {
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let mut opening = JoinSet::new();
        for _ in 0..AT_ONCE.min(count - open.len()) {
            let path = path.to_owned();
            opening.spawn(async move { asked(server, &path).await });
        }
        while let Some(stream) = opening.join_next().await {
            open.push(stream??);
        }
    }
    println!("ready");
    ended().await?;
    let mut byte = [0];
    let lost = open.iter().filter(|stream| stream.try_read(&mut byte).is_ok()).count();
    if lost > 0 {
        return Err(format!("{lost} of {count} idle connections were closed").into());
    }
    Ok(())
}

/// Requests that have reached the upstream and are answered at the end.
async fn hold(upstream: SocketAddr, proxy: SocketAddr, path: &str, count: usize) -> Result<(), Failure> {
    let listener = TcpListener::bind(upstream).await?;
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let (answer, answered) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // What goes wrong with a connection shows in the status of its request.
            tokio::spawn(keep(stream, arrived.clone(), answered.clone()));
        }
    });
    let mut clients = JoinSet::new();
    for sent in 0..count {
        let path = path.to_owned();
        clients.spawn(async move { asked(proxy, &path).await });
        if (sent + 1) % AT_ONCE == 0 || sent + 1 == count {
            await_arrivals(&mut arrivals, sent + 1 - sent / AT_ONCE * AT_ONCE, &mut clients).await?;
        }
    }
    println!("ready");
    ended().await?;
    answer.send(true)?;
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

async fn await_arrivals(
    arrivals: &mut mpsc::UnboundedReceiver<()>,
    count: usize,
    clients: &mut JoinSet<Result<TcpStream, Failure>>,
) -> Result<(), Failure> {
    for _ in 0..count {
        tokio::select! {
            _ = arrivals.recv() => {}
            Some(client) = clients.join_next() => {
                client??;
                return Err("a request was answered that should be held".into());
            }
        }
    }
    Ok(())
}

/// Answers no request of a connection before the word is given.
async fn keep(
    mut stream: TcpStream,
    arrived: mpsc::UnboundedSender<()>,
    mut answered: watch::Receiver<bool>,
) -> Result<(), Failure> {
    loop {
        head(&mut stream).await?;
        arrived.send(())?;
        answered.wait_for(|answered| *answered).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
    }
}

/// A new connection on which one request was answered with 200.
async fn asked(server: SocketAddr, path: &str) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").as_bytes()).await?;
    let answer = head(&mut stream).await?;
    if !answer.starts_with("HTTP/1.1 200 ") {
        return Err(format!("{server}{path}: {}", answer.lines().next().unwrap_or_default()).into());
    }
    let length = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    // Read to its end, so that a byte that can be read later is a sign that the connection is closed.
    let mut body = vec![0; length.ok_or("an answer without content-length")?];
    stream.read_exact(&mut body).await?;
    Ok(stream)
}

/// Reads a head byte by byte: nothing of what follows it is taken.
async fn head(stream: &mut TcpStream) -> Result<String, Failure> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST_HEAD {
            return Err("a head without end".into());
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn ended() -> Result<(), Failure> {
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}
