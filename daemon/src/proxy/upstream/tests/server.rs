//! An upstream that does as it is told, byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What came in.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: AtomicUsize,
    pub(super) open: AtomicUsize,
    pub(super) asked: AtomicUsize,
}

/// A server on the loopback.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) counts: Arc<Counts>,
    task: JoinHandle<()>,
}

/// What is done with a request.
#[derive(Clone)]
pub(super) enum Do {
    /// Answers with these bytes.
    Say(String),
    /// Answers with these bytes, and closes the connection.
    SayAndClose(String),
    /// Closes the connection without a word.
    Close,
    /// Says nothing.
    Wait,
    /// Switches protocols and then says everything back.
    Echo,
}

/// An answer of a known length.
pub(super) fn answer(body: &str) -> Do {
    Do::Say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

impl Server {
    /// Does `what` says with each request, given its head and body.
    pub(super) async fn start(what: impl Fn(&str) -> Do + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), what)
    }

    pub(super) fn on(listener: TcpListener, what: impl Fn(&str) -> Do + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let what = Arc::new(what);
        let counting = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counting.accepted.fetch_add(1, Ordering::SeqCst);
                counting.open.fetch_add(1, Ordering::SeqCst);
                let (counts, what) = (Arc::clone(&counting), Arc::clone(&what));
                connections.spawn(async move {
                    serve(stream, &counts, &*what).await;
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counts, task }
    }

    pub(super) fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    pub(super) fn asked(&self) -> usize {
        self.counts.asked.load(Ordering::SeqCst)
    }

    pub(super) fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, counts: &Counts, what: &(impl Fn(&str) -> Do + Sync)) {
    let mut buffer = Vec::new();
    while let Some(request) = next(&mut stream, &mut buffer).await {
        counts.asked.fetch_add(1, Ordering::SeqCst);
        match what(&request) {
            Do::Say(text) => stream.write_all(text.as_bytes()).await.unwrap_or_default(),
            Do::SayAndClose(text) => return stream.write_all(text.as_bytes()).await.unwrap_or_default(),
            Do::Close => return,
            Do::Wait => {}
            Do::Echo => {
                let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
                stream.write_all(head.as_bytes()).await.unwrap();
                let (mut reads, mut writes) = stream.split();
                tokio::io::copy(&mut reads, &mut writes).await.unwrap_or_default();
                return;
            }
        }
    }
}

/// The next request: its head, and its body where it says how long that is.
async fn next(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text[..end]
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse::<usize>().unwrap());
            if buffer.len() >= end + 4 + length {
                let rest = buffer.split_off(end + 4 + length);
                let request = std::mem::replace(buffer, rest);
                return Some(String::from_utf8(request).unwrap());
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
