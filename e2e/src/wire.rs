//! HTTP/1.1 by the byte: sends what no library would, and reads answers without forgiving anything.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::PATIENCE;

/// A connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// What came and was not asked for yet.
    ahead: Vec<u8>,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line.
    pub line: String,
    /// Names in lower case, and values, in their order.
    pub headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The head.
    pub head: Head,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// What followed it.
    pub trailers: Vec<(String, String)>,
}

impl Head {
    /// The status.
    ///
    /// # Panics
    /// When there is none.
    pub fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {:?}", self.line))
    }

    /// The value of a header that is there once.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there twice");
        Some(&value.1)
    }
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn to(at: SocketAddr) -> Self {
        Self::try_to(at).await.unwrap_or_else(|error| panic!("connecting to {at}: {error}"))
    }

    /// Connects, where that works.
    ///
    /// # Errors
    /// What the system says.
    pub async fn try_to(at: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// A connection that was made elsewhere.
    pub const fn of(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// Writes all of it; whether it was taken.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        matches!(timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await, Ok(Ok(())))
    }

    /// Says that nothing more will be written.
    pub async fn finish(&mut self) {
        let _gone_already = self.stream.shutdown().await;
    }

    /// The socket.
    pub const fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The next head; none where the connection ends before one.
    ///
    /// # Panics
    /// When it does not come in time, or is none of HTTP/1.
    pub async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                let text: Vec<u8> = self.ahead.drain(..end + 4).collect();
                return Some(parse(&text[..end]));
            }
            if !self.more().await {
                assert!(self.ahead.is_empty(), "an answer ended within its head: {:?}", self.text());
                return None;
            }
        }
    }

    /// The next answer with its body, to a request of `method`; the interim ones before it are left out.
    ///
    /// # Errors
    /// What came, where the connection ended before it was whole.
    pub async fn answer(&mut self, method: &str) -> Result<Answer, String> {
        let mut head = self.head().await.ok_or("no answer")?;
        while head.status() < 200 && head.status() != 101 {
            head = self.head().await.ok_or("no answer after an interim one")?;
        }
        let bodiless = method == "HEAD" || matches!(head.status(), 101 | 204 | 304);
        let (body, trailers) = match (head.get("transfer-encoding"), head.get("content-length")) {
            _ if bodiless => (Vec::new(), Vec::new()),
            (Some(coding), length) => {
                assert_eq!((coding, length), ("chunked", None), "{head:?}");
                self.chunks().await?
            }
            (None, Some(length)) => (self.exactly(length.parse().expect("a length")).await?, Vec::new()),
            (None, None) => (self.rest().await?, Vec::new()),
        };
        Ok(Answer { head, body, trailers })
    }

    /// So many bytes.
    ///
    /// # Errors
    /// What came instead.
    pub async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.ahead.len() < length {
            if !self.more().await {
                return Err(format!("broken off after {} of {length} bytes", self.ahead.len()));
            }
        }
        Ok(self.ahead.drain(..length).collect())
    }

    /// All that comes until the other side closes in good order.
    ///
    /// # Errors
    /// Where it resets the connection.
    pub async fn rest(&mut self) -> Result<Vec<u8>, String> {
        loop {
            match self.read().await {
                Ok(0) => return Ok(std::mem::take(&mut self.ahead)),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the connection is closed, whatever comes before.
    pub async fn closes(&mut self) {
        while self.more().await {
            self.ahead.clear();
        }
    }

    /// Whether the other side says nothing for that long, and keeps the connection open.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        self.ahead.is_empty() && timeout(time, self.stream.readable()).await.is_err()
    }

    async fn chunks(&mut self) -> Result<(Vec<u8>, Vec<(String, String)>), String> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16);
            let size = size.map_err(|_| format!("{line:?} is no chunk"))?;
            if size == 0 {
                break;
            }
            body.extend(self.exactly(size).await?);
            assert_eq!(self.line().await?, "", "what follows a chunk");
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok((body, trailers));
            }
            trailers.push(field(&line));
        }
    }

    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more().await {
                return Err(format!("broken off within a line: {:?}", self.text()));
            }
        }
    }

    async fn more(&mut self) -> bool {
        matches!(self.read().await, Ok(1..))
    }

    async fn read(&mut self) -> Result<usize, String> {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.ahead)).await;
        let read = read.unwrap_or_else(|_| panic!("nothing came in time, after {:?}", self.text()));
        read.map_err(|error| error.to_string())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.ahead).into_owned()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn parse(head: &[u8]) -> Head {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    assert!(line.starts_with("HTTP/1.") || line.contains(" HTTP/1."), "not HTTP/1: {line:?}");
    Head { line, headers: lines.map(field).collect() }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line:?} is no header"));
    (name.to_ascii_lowercase(), value.trim().to_owned())
}
