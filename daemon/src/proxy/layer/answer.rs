//! An answer's body: the inner service's with the request's place in the window, or a refusal's.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;

use super::BoxError;
use crate::proxy::body::{Body, Guarded};

/// Any body with errors of any kind, so that our own fit among them.
type Inner = UnsyncBoxBody<Bytes, BoxError>;

/// The body of an answer. While it is the inner service's, the request holds its place until the last
/// byte, or until this is dropped.
pub struct Answer(Kind);

enum Kind {
    /// Ours.
    Ready(Body),
    /// The inner service's.
    Inner(Guarded<Inner>),
}

impl Answer {
    pub(super) const fn ready(body: Body) -> Self {
        Self(Kind::Ready(body))
    }

    /// A body that is watched by what `guard` makes of it.
    pub(super) fn guarded<R>(body: R, guard: impl FnOnce(Inner) -> Guarded<Inner>) -> Self
    where
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        Self(Kind::Inner(guard(body.map_err(Into::into).boxed_unsync())))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Kind::Ready(_) => "Ready",
            Kind::Inner(_) => "Inner",
        };
        f.debug_tuple("Answer").field(&kind).finish()
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Kind::Ready(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Inner(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Ready(body) => body.is_end_stream(),
            Kind::Inner(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Ready(body) => body.size_hint(),
            Kind::Inner(body) => body.size_hint(),
        }
    }
}
