//! One gRPC call: its message in, its answer out.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, Request, Response, StatusCode, header};
use tonic::Status;

use super::deadline::{Deadline, grpc_timeout};
use super::fallback;
use super::grpc::{Answer, Door, Method};
use super::shared::{Budget, Shared};
use crate::wire::MAX_MESSAGE_BYTES;

/// Compressed flag and length, before every message.
pub(crate) const PREFIX: usize = 5;

/// A stream as the connection hands it over.
pub(crate) struct Arrived {
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
}

/// What is left to do with a call.
pub(crate) enum Step {
    /// Nothing: it is answered.
    Done,
    /// To poll this.
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// Answers a call at once where that is possible.
pub(crate) fn start(door: &Arc<Door>, arrived: Arrived, shared: &Shared, cx: &mut Context<'_>) -> Step {
    let Arrived { request, mut respond } = arrived;
    let (head, mut body) = request.into_parts();
    let Some(method) = door.method(head.uri.path()) else {
        return Step::Wait(Box::pin(fallback::call(
            Arc::clone(door),
            head,
            body,
            respond,
            shared.drain.clone(),
        )));
    };
    if let Err(refusal) = check_head(&head) {
        refuse(&mut respond, refusal);
        return Step::Done;
    }
    let timeout = match grpc_timeout(&head.headers) {
        Ok(timeout) => timeout,
        Err(status) => {
            send(&mut respond, Err(status));
            return Step::Done;
        }
    };
    let mut message = Message::new(&head.headers);
    match message.poll(&mut body, cx) {
        Poll::Ready(Ok(message)) => answer(door, method, message, timeout, respond),
        Poll::Ready(Err(status)) => {
            send(&mut respond, Err(status));
            Step::Done
        }
        Poll::Pending => {
            message.budget = Some(shared.budget());
            if let Err(status) = message.charge(0) {
                send(&mut respond, Err(status));
                return Step::Done;
            }
            let (door, deadline) = (Arc::clone(door), Deadline::new(timeout));
            Step::Wait(Box::pin(async move {
                let read = poll_fn(|cx| message.poll(&mut body, cx));
                let read = within(deadline, &mut respond, read).await;
                // What the body took is the caller's time, too.
                match read.map(|read| read.and_then(|message| Ok((message, deadline.left()?)))) {
                    None => {}
                    Some(Err(status)) => send(&mut respond, Err(status)),
                    Some(Ok((message, left))) => {
                        if let Step::Wait(rest) = answer(&door, method, message, left, respond) {
                            rest.await;
                        }
                    }
                }
            }))
        }
    }
}

fn answer(
    door: &Arc<Door>,
    method: Method,
    message: Bytes,
    timeout: Option<Duration>,
    mut respond: SendResponse<Bytes>,
) -> Step {
    match door.answer(method, message, timeout) {
        Answer::Now(answer) => {
            send(&mut respond, answer);
            Step::Done
        }
        Answer::Later(answer) => Step::Wait(Box::pin(async move {
            if let Some(answer) = within(Deadline::new(timeout), &mut respond, answer).await {
                send(&mut respond, answer);
            }
        })),
    }
}

/// Waits for `work`, but not beyond the caller's deadline, nor once the caller has left (`None`).
async fn within<T>(
    deadline: Deadline,
    respond: &mut SendResponse<Bytes>,
    work: impl Future<Output = Result<T, Status>>,
) -> Option<Result<T, Status>> {
    tokio::select! {
        done = deadline.bound(work) => Some(done),
        _ = poll_fn(|cx| respond.poll_reset(cx)) => None,
    }
}

/// What is not a gRPC request at all is answered in HTTP's terms.
fn check_head(head: &http::request::Parts) -> Result<(), StatusCode> {
    if head.method != Verb::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let grpc = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.as_bytes().strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
    if grpc { Ok(()) } else { Err(StatusCode::UNSUPPORTED_MEDIA_TYPE) }
}

fn refuse(respond: &mut SendResponse<Bytes>, code: StatusCode) {
    let mut response = Response::new(());
    *response.status_mut() = code;
    left(respond.send_response(response, true).map(drop));
}

/// Sends a framed answer, or the status that stands for it.
pub(crate) fn send(respond: &mut SendResponse<Bytes>, answer: Result<Bytes, Status>) {
    let mut response = Response::new(());
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    left(match answer {
        Ok(framed) => send_ok(respond, response, framed),
        Err(status) => {
            if status.add_header(response.headers_mut()).is_err() {
                // A message that no header can carry: the code alone is still true.
                response.headers_mut().insert("grpc-status", HeaderValue::from(status.code() as i32));
            }
            respond.send_response(response, true).map(drop)
        }
    });
}

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: HeaderValue = HeaderValue::from_static("0");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

fn send_ok(
    respond: &mut SendResponse<Bytes>,
    response: Response<()>,
    framed: Bytes,
) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(framed, false)?;
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, OK);
    stream.send_trailers(trailers)
}

/// The only reason why a response cannot be sent is that the caller has left.
fn left(sent: Result<(), h2::Error>) {
    if let Err(error) = sent {
        tracing::trace!(%error, "the caller left before its answer");
    }
}

/// Writes the prefix that an answer has left room for.
pub(crate) fn frame(mut answer: Vec<u8>) -> Bytes {
    let len = u32::try_from(answer.len().saturating_sub(PREFIX)).unwrap_or(u32::MAX);
    if let Some(prefix) = answer.first_chunk_mut::<PREFIX>() {
        let [a, b, c, d] = len.to_be_bytes();
        *prefix = [0, a, b, c, d];
    }
    Bytes::from(answer)
}

/// One message of a unary call as it arrives.
struct Message {
    /// The caller says that it may compress.
    encoded: bool,
    /// Bytes that it holds.
    held: usize,
    /// Where they count, once the message is waited for.
    budget: Option<Budget>,
    /// The first piece, which mostly is all of it, as it came; more are copied behind one another.
    first: Bytes,
    more: BytesMut,
}

impl Message {
    fn new(headers: &HeaderMap) -> Self {
        let encoding = headers.get("grpc-encoding");
        let encoded = encoding.is_some_and(|encoding| encoding.as_bytes() != b"identity");
        Self { encoded, held: 0, budget: None, first: Bytes::new(), more: BytesMut::new() }
    }

    /// The message, without its prefix, once the caller has ended its side.
    fn poll(&mut self, body: &mut RecvStream, cx: &mut Context<'_>) -> Poll<Result<Bytes, Status>> {
        while let Some(piece) = ready!(body.poll_data(cx)) {
            let piece =
                piece.map_err(|error| Status::cancelled(format!("the request broke off: {error}")))?;
            // Room is given back at once: kept until a message is whole, a few unfinished ones could
            // use up the connection's, and none would ever end.
            body.flow_control().release_capacity(piece.len()).ok();
            self.charge(piece.len())?;
            self.push(piece)?;
        }
        Poll::Ready(self.take())
    }

    /// Takes `more` bytes into account.
    fn charge(&mut self, more: usize) -> Result<(), Status> {
        self.held += more;
        let within = self.budget.as_mut().is_none_or(|budget| budget.hold(self.held));
        if within {
            return Ok(());
        }
        Err(Status::resource_exhausted(
            "too many unfinished messages on one connection; finish some before others, or use another",
        ))
    }

    fn push(&mut self, piece: Bytes) -> Result<(), Status> {
        if self.first.is_empty() && self.more.is_empty() {
            self.first = piece;
        } else {
            if self.more.is_empty() {
                self.more.reserve(expected(&self.first).max(self.first.len() + piece.len()));
                self.more.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.more.extend_from_slice(&piece);
        }
        let len = expected(if self.more.is_empty() { &self.first } else { &self.more });
        if len > PREFIX + MAX_MESSAGE_BYTES {
            return Err(too_large(len - PREFIX));
        }
        if self.first.len().max(self.more.len()) > PREFIX + MAX_MESSAGE_BYTES {
            return Err(malformed("it carries more than one message"));
        }
        Ok(())
    }

    fn take(&mut self) -> Result<Bytes, Status> {
        let framed =
            if self.more.is_empty() { std::mem::take(&mut self.first) } else { self.more.split().freeze() };
        match framed.first() {
            None => return Err(malformed("it carries no message")),
            Some(0) => {}
            Some(1) if self.encoded => {
                return Err(Status::unimplemented(
                    "compressed messages are not supported; send them with grpc-encoding: identity",
                ));
            }
            Some(1) => return Err(malformed("it is compressed, and no grpc-encoding says how")),
            Some(_) => return Err(malformed("its prefix begins with neither 0 nor 1")),
        }
        if framed.len() != expected(&framed) {
            return Err(malformed("the message's length is not what its prefix says"));
        }
        Ok(framed.slice(PREFIX..))
    }
}

/// The length of the whole frame, as far as its prefix is there to say.
fn expected(framed: &[u8]) -> usize {
    match framed {
        [_, a, b, c, d, ..] => PREFIX + u32::from_be_bytes([*a, *b, *c, *d]) as usize,
        _ => PREFIX,
    }
}

/// The original's words, which clients may look for.
pub(crate) fn too_large(len: usize) -> Status {
    Status::resource_exhausted(format!(
        "grpc: received message larger than max ({len} vs. {MAX_MESSAGE_BYTES})"
    ))
}

fn malformed(why: &str) -> Status {
    Status::internal(format!("grpc: the request is malformed: {why}"))
}
