//! HTTP/2 by the frame: sends what no library would.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::PATIENCE;

/// Kinds of frames.
pub mod kind {
    #![allow(missing_docs, reason = "the names are the standard's")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    #![allow(missing_docs, reason = "the names are the standard's")]
    pub const NONE: u8 = 0;
    pub const END_STREAM: u8 = 1;
    pub const ACK: u8 = 1;
    pub const END_HEADERS: u8 = 4;
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of these parts.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// As it is on the wire.
    ///
    /// # Panics
    /// When it carries more than a length can say.
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a short frame").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], self.kind, self.flags];
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

/// Headers in the plainest form of HPACK: each literally, and none remembered.
///
/// # Panics
/// When one is longer than the plain form goes.
pub fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A length in seven bits and as many more as it takes.
fn push_length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(length as u8);
        return;
    }
    block.push(127);
    let mut left = length - 127;
    while left >= 128 {
        block.push((left % 128) as u8 | 128);
        left /= 128;
    }
    block.push(left as u8);
}

/// What every request begins with.
pub const fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)]
}

/// A connection that has sent its preface.
#[derive(Debug)]
pub struct Frames {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Frames {
    /// Connects, and sends the preface and these settings.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn to(at: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut stream = TcpStream::connect(at).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket's option");
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(Frame::new(kind::SETTINGS, flag::NONE, 0, payload).bytes());
        stream.write_all(&bytes).await.expect("a preface is taken");
        Self { stream, ahead: Vec::new() }
    }

    /// Writes frames; whether they were taken, which the other side need not do.
    pub async fn send(&mut self, frames: &[Frame]) -> bool {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        matches!(timeout(PATIENCE, self.stream.write_all(&bytes)).await, Ok(Ok(())))
    }

    /// The next frame; none where the connection has ended.
    ///
    /// # Panics
    /// When nothing comes in time.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.ahead)).await;
            match read.expect("a frame comes in time") {
                Ok(1..) => {}
                _ => return None,
            }
        }
    }

    /// The next frame of one of these kinds, on this stream; none where the connection ends before.
    pub async fn next_of(&mut self, kinds: &[u8], stream: u32) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.stream == stream && kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let [a, b, c, kind, flags, s, t, u, v, ..] = *self.ahead.as_slice() else { return None };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if self.ahead.len() < 9 + length {
            return None;
        }
        let payload = self.ahead[9..9 + length].to_vec();
        self.ahead.drain(..9 + length);
        Some(Frame { kind, flags, stream: u32::from_be_bytes([s, t, u, v]) & (u32::MAX >> 1), payload })
    }
}
