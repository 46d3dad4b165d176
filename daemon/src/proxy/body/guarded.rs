//! An answer's body with what must be settled when it ends: the window's place, the metrics, the time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;
use tokio_util::task::AbortOnDropHandle;

use super::{BodyError, Course, behind};
use crate::proxy::flight::Flight;

/// An answer's body. When it is given up, by its deadline or by whoever looks at its course, body and place
/// are free at once, whether anybody asks for more or not: a client that has stopped reading is not asked
/// for, and would hold its place for as long as it likes.
#[derive(Debug)]
pub struct Guarded<B: HttpBody> {
    course: Arc<Course<B>>,
    _deadline: Option<AbortOnDropHandle<()>>,
}

impl<B> Guarded<B>
where
    B: HttpBody<Data: Send, Error: Send> + Send + 'static,
{
    /// Settles `flight` when `body` ends, fails or is dropped. At the deadline the body breaks off, and
    /// `overdue` is called.
    pub fn new(
        course: Arc<Course<B>>,
        body: B,
        flight: Flight,
        deadline: Option<Pin<Box<Sleep>>>,
        overdue: impl FnOnce() + Send + 'static,
    ) -> Self {
        course.hold(body, flight);
        let deadline = deadline.map(|deadline| {
            let course = Arc::clone(&course);
            AbortOnDropHandle::new(tokio::spawn(async move {
                deadline.await;
                course.give_up();
                overdue();
            }))
        });
        Self { course, _deadline: deadline }
    }
}

impl<B> HttpBody for Guarded<B>
where
    B: HttpBody + Unpin,
    B::Error: From<BodyError>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = self.course.with(|held| held.poll_frame(cx));
        polled.unwrap_or_else(|| Poll::Ready(Some(Err(BodyError::GivenUp.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.course.with(|held| held.is_end_stream()).unwrap_or(false)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.course.with(|held| behind(held.ahead(), held.body().size_hint()));
        hint.unwrap_or_default()
    }
}

impl<B: HttpBody> Drop for Guarded<B> {
    fn drop(&mut self) {
        self.course.release();
    }
}
