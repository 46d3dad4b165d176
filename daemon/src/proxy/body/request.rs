//! What the upstream is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::{BodyError, Course, Leased, behind};

/// What the upstream is sent.
#[derive(Debug)]
pub struct RequestBody {
    /// What was read before, to be sent first.
    first: Option<Bytes>,
    incoming: Option<Incoming>,
    /// How many bytes may still come, and how many might at first.
    left: Option<(u64, u64)>,
    /// Who is told of how the client's sending goes.
    course: Option<Arc<Course<Leased>>>,
}

impl RequestBody {
    /// A client's body, of which at most `max` bytes are taken.
    #[must_use]
    pub fn new(incoming: Incoming, max: Option<u64>) -> Self {
        Self { first: None, incoming: Some(incoming), left: max.map(|max| (max, max)), course: None }
    }

    /// The same with its beginning, which was read already, in front.
    #[must_use]
    pub fn replayed(first: Bytes, rest: Option<Incoming>, max: Option<u64>) -> Self {
        Self { first: Some(first), incoming: rest, left: max.map(|max| (max, max)), course: None }
    }

    /// Breaks off where the client sends nothing for long, until the answer has begun; how long, knows who
    /// looks at `course`.
    pub fn watched(&mut self, course: &Arc<Course<Leased>>) {
        self.course = Some(Arc::clone(course));
    }

    fn count(&mut self, length: usize) -> Result<(), BodyError> {
        if let Some((left, max)) = &mut self.left {
            *left = left.checked_sub(length as u64).ok_or(BodyError::TooLarge(*max))?;
        }
        Ok(())
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(self.count(first.len()).map(|()| Frame::data(first))));
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(incoming).poll_frame(cx);
        if let Some(course) = &self.course {
            match course.sends(polled.is_pending().then(|| cx.waker())) {
                Ok(true) => {}
                Ok(false) => self.course = None,
                Err(stalled) => return Poll::Ready(Some(Err(stalled))),
            }
        }
        let Poll::Ready(frame) = polled else { return Poll::Pending };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                Some(self.count(length).map(|()| frame))
            }
            Some(Err(error)) => Some(Err(BodyError::Broken(error))),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
        let Some(incoming) = &self.incoming else { return SizeHint::with_exact(first) };
        behind(first, incoming.size_hint())
    }
}
