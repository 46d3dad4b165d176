//! An upstream that reads nothing into what it gets: it keeps every byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Keeps what comes, and answers each connection's first bytes with its own.
#[derive(Debug)]
pub struct Recorder {
    at: SocketAddr,
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
    _task: JoinSet<()>,
}

impl Recorder {
    /// Answers with `answer`, as soon as a head has come.
    ///
    /// # Panics
    /// When the system has no port.
    pub async fn answering(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("a bound port's address");
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        let all = Arc::clone(&kept);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(record(stream, answer, Arc::clone(&all)));
            }
        });
        Self { at, kept, _task: task }
    }

    /// Where it listens.
    pub const fn at(&self) -> SocketAddr {
        self.at
    }

    /// What came, a text for each connection.
    pub fn kept(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

async fn record(mut stream: TcpStream, answer: &'static [u8], all: Arc<Mutex<Vec<Vec<u8>>>>) {
    let kept = || all.lock().unwrap_or_else(PoisonError::into_inner);
    let place = {
        let mut kept = kept();
        kept.push(Vec::new());
        kept.len() - 1
    };
    let (mut piece, mut answered) = (vec![0; 64 << 10], false);
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        let whole = {
            let mut kept = kept();
            kept[place].extend_from_slice(&piece[..length]);
            kept[place].windows(4).any(|window| window == b"\r\n\r\n")
        };
        if whole && !std::mem::replace(&mut answered, true) && stream.write_all(answer).await.is_err() {
            return;
        }
    }
}
