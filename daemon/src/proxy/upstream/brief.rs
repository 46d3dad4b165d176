//! An upstream that must come to the point: what it says before an answer's head is bounded. hyper bounds
//! the head itself, but reads as many informational answers (103 Early Hints) before it as there are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes before the end of an answer's head. More than hyper reads at once, so that what is read
/// with the head does not count; some ten thousand informational answers.
const MAX_BEFORE_ANSWER: usize = 1 << 20;
/// Nothing is waited for, or the answer has begun.
const NO_BOUND: usize = usize::MAX;

/// How many bytes may still come.
#[derive(Clone, Debug)]
pub(super) struct Patience(Arc<AtomicUsize>);

impl Patience {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(NO_BOUND)))
    }

    /// An answer is waited for.
    pub(super) fn begin(&self) {
        self.0.store(MAX_BEFORE_ANSWER, Ordering::Relaxed);
    }

    /// It has begun.
    pub(super) fn end(&self) {
        self.0.store(NO_BOUND, Ordering::Relaxed);
    }

    fn takes(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        if left == NO_BOUND {
            return Ok(());
        }
        let left = left.checked_sub(bytes);
        let left = left.ok_or_else(|| {
            io::Error::other(format!("it has sent {MAX_BEFORE_ANSWER} bytes, and no answer is among them"))
        })?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// A connection that fails where patience ends.
#[derive(Debug)]
pub(super) struct Brief<S> {
    stream: S,
    patience: Patience,
}

impl<S> Brief<S> {
    pub(super) const fn new(stream: S, patience: Patience) -> Self {
        Self { stream, patience }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Brief<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.patience.takes(buffer.filled().len() - before)?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Brief<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
