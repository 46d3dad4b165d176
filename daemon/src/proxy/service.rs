//! One request, from its headers to its answer's.

use std::convert::Infallible;
use std::error::Error as _;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Sleep;
use tokio_util::task::TaskTracker;

use super::body::{Body, BodyError, Course, Guarded, Leased, RequestBody};
use super::flight::Flight;
use super::gate::{Gate, Stop};
use super::headers::{self, Client, Known};
use super::limits::LimitReply;
use super::policy::{Policy, Voice};
use super::pulse::Pulse;
use super::refusal::{Fault, is_grpc, may_be_silent};
use super::route::{Action, Fixed};
use super::upstream::{Lease, Pool, UpstreamError};
use super::{bypass, tunnel};

/// How much of an answer goes to an HTTP/2 stream at once. That more is asked for is all that tells of its
/// client, and hyper asks once nearly all of a piece has gone out: a piece must be small, or who reads slowly
/// would seem not to read.
const PIECE: NonZeroUsize = NonZeroUsize::new(16 << 10).unwrap();

/// What a policy's requests meet; replaced whole when it changes.
#[derive(Debug)]
pub struct Live {
    /// Who may pass.
    pub gate: Arc<Gate>,
    /// Connections to the upstream, by the threads that they live on.
    pub pools: Box<[Pool<RequestBody>]>,
}

/// One client's connection.
#[derive(Clone, Debug)]
pub struct Door {
    /// What is in force.
    pub live: Arc<ArcSwap<Live>>,
    /// Who is at the other end.
    pub client: Arc<Client>,
    /// The thread that the connection lives on.
    pub thread: usize,
    /// What the connection has to do.
    pub pulse: Arc<Pulse>,
    /// What goes on after the connection has gone over to another protocol.
    pub tunnels: TaskTracker,
}

/// Something between the request's coming and its answer went wrong.
enum Failed {
    Stopped(Stop),
    Upstream(UpstreamError),
    Body(BodyError),
    Deadline {
        /// Whether the client sends a body, which may be what took so long.
        owed: bool,
    },
    /// The upstream went over to another protocol that this client cannot speak.
    Switched,
}

impl Door {
    /// Answers one request.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let live = self.live.load_full();
        let (mut parts, incoming) = request.into_parts();
        let (policy, known) = (&live.gate.policy, Known::of(&parts.headers));
        let (route, action) = policy.routes.find(&parts);
        let (grpc, voice) = (is_grpc(&parts.headers), policy.voice);
        // throttle-proxy observes what it protects, and nothing else.
        let observed = voice == Voice::Declared || matches!(action, Action::Protect(_));
        let mut flight = Flight::new(Arc::clone(&live.gate), route, observed, Some(self.pulse.beat()));
        if let Err(why) = checked(&parts, known) {
            let fault = Fault::BadRequest(format!("the request is refused: {why}"));
            live.gate.count(route, &Stop::Fault(fault.clone()));
            let mut reply = fault.reply(grpc, voice);
            // What else is on this connection may not be what it seems.
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            flight.replied(reply.status());
            return Ok(reply);
        }
        if let Action::Answer(fixed) = action {
            flight.replied(fixed.status);
            return Ok(at_hand(*fixed));
        }
        let went = self.go(&live, &mut flight, (&mut parts, known), incoming, &action).await;
        Ok(match went {
            Ok(answer) => self.pass_on(flight, answer, parts.version == Version::HTTP_2),
            Err(failed) => {
                let (stop, reply) = reply(&live, &mut flight, failed, grpc, voice);
                // To throttle-proxy's chain an upstream that is away is an answer like any other.
                let away = matches!(stop, Stop::Fault(Fault::Upstream(_) | Fault::Unavailable(_)));
                if voice == Voice::Declared || !away {
                    live.gate.count(route, &stop);
                }
                flight.replied(reply.status());
                reply
            }
        })
    }

    /// Through the gate and to the upstream, in the time that there is for it.
    async fn go(
        &self,
        live: &Live,
        flight: &mut Flight,
        (parts, known): (&mut request::Parts, Known),
        incoming: Incoming,
        action: &Action,
    ) -> Result<Answer, Failed> {
        let timeouts = &live.gate.policy.timeouts;
        let timeout = match action {
            Action::PassThrough => timeouts.pass_through,
            _ => timeouts.request,
        };
        let owed = !http_body::Body::is_end_stream(&incoming);
        let mut deadline = timeout.map(|timeout| Box::pin(tokio::time::sleep(timeout)));
        let way = self.way(live, flight, (parts, known), incoming, action);
        let answer = match &mut deadline {
            None => way.await?,
            Some(deadline) => tokio::select! {
                biased;
                went = way => went?,
                // An upstream that never stops talking uses up the task's budget, and a timer wants some.
                () = tokio::task::unconstrained(deadline.as_mut()) => return Err(Failed::Deadline { owed }),
            },
        };
        let asked = answer.upgrade.as_ref().is_some_and(|upgrade| upgrade.protocol.is_some());
        if answer.response.status() == StatusCode::SWITCHING_PROTOCOLS && !asked {
            return Err(Failed::Switched);
        }
        flight.answered(answer.response.status(), answer.response.headers());
        Ok(Answer { deadline, ..answer })
    }

    async fn way(
        &self,
        live: &Live,
        flight: &mut Flight,
        (parts, known): (&mut request::Parts, Known),
        incoming: Incoming,
        action: &Action,
    ) -> Result<Answer, Failed> {
        let policy = &live.gate.policy;
        if let Some(max) = policy.max_body
            && told_length(parts).is_some_and(|length| length > max)
        {
            return Err(Failed::Body(BodyError::TooLarge(max)));
        }
        let impatient =
            !http_body::Body::is_end_stream(&incoming) && !may_be_silent(parts.version, &parts.headers);
        let (bypasses, mut body) = match action {
            Action::Protect(_) => bypass::look(policy, parts, incoming).await.map_err(Failed::Body)?,
            _ => (false, RequestBody::new(incoming, policy.max_body)),
        };
        let admitted = live.gate.admit(action, &parts.headers, self.client.address, bypasses).await;
        let admitted = admitted.map_err(Failed::Stopped)?;
        flight.admitted(admitted.permit);
        let course = self.watch(policy, parts.version, impatient.then_some(&mut body));
        let upgrade = Upgrade::of(parts, known);
        headers::forward_request(parts, known, &self.client, policy.voice);
        let request = next_hop(parts, body, upgrade.as_ref());
        let pool = &live.pools[self.thread % live.pools.len()];
        let (response, lease) = pool.send(request).await.map_err(|error| match course.is_stalled() {
            true => Failed::Body(BodyError::Stalled),
            false => Failed::Upstream(error),
        })?;
        Ok(Answer { response, lease, limit: admitted.limit, upgrade, deadline: None, course })
    }

    /// Has the connection look at a request that was let in, and at its `body` where its client may not
    /// pause.
    fn watch(
        &self,
        policy: &Policy,
        version: Version,
        body: Option<&mut RequestBody>,
    ) -> Arc<Course<Leased>> {
        let course = Arc::new(Course::default());
        if policy.timeouts.stall.is_some() {
            let request = Arc::downgrade(&course);
            self.pulse.watch(request, version != Version::HTTP_2);
            if let Some(body) = body {
                body.watched(&course);
            }
        }
        course
    }

    /// Hands the upstream's answer to the client.
    fn pass_on(&self, flight: Flight, answer: Answer, multiplexed: bool) -> Response<Body> {
        let Answer { mut response, lease, limit, upgrade, deadline, course } = answer;
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS
            || (response.status().is_success()
                && upgrade.as_ref().is_some_and(|upgrade| upgrade.protocol.is_none()));
        if let (true, Some(upgrade)) = (switches, upgrade) {
            return self.switch(flight, response, lease, upgrade);
        }
        headers::forward_response(response.headers_mut());
        if let Some(limit) = limit {
            limit.write(response.headers_mut());
        }
        let (mut parts, incoming) = response.into_parts();
        // The version is the connection's, not the upstream's.
        parts.version = Version::HTTP_11;
        let pulse = Arc::clone(&self.pulse);
        let overdue = move || {
            // Over HTTP/2 the stream is reset; over HTTP/1.1 there is nothing else on the connection.
            if !multiplexed {
                pulse.cut();
            }
        };
        let piece = if multiplexed { PIECE } else { NonZeroUsize::MAX };
        let body = Guarded::new(course, Leased::new(incoming, piece, lease), flight, deadline, overdue);
        Response::from_parts(parts, Body::Upstream(body))
    }

    /// The connection goes over to another protocol: from here on bytes are carried both ways.
    fn switch(
        &self,
        flight: Flight,
        mut response: Response<Incoming>,
        lease: Lease,
        upgrade: Upgrade,
    ) -> Response<Body> {
        let upstream = hyper::upgrade::on(&mut response);
        let (idle, pulse) = (flight.gate().policy.timeouts.stall, Arc::clone(&self.pulse));
        let carry = tunnel::carry(upgrade.client, upstream, flight, lease);
        self.tunnels.spawn(async move {
            tokio::select! {
                () = carry => {}
                // Bytes that never stop use up the task's budget, and a timer wants some.
                () = tokio::task::unconstrained(pulse.is_still(idle)) => tracing::debug!("a tunnel was still for long"),
            }
        });
        let protocol = response.headers().get(UPGRADE).cloned();
        headers::forward_response(response.headers_mut());
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(protocol)) = (response.status(), protocol) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            response.headers_mut().insert(UPGRADE, protocol);
        }
        response.map(|_| Body::empty())
    }
}

/// The request as it goes to the upstream.
fn next_hop(
    parts: &mut request::Parts,
    body: RequestBody,
    upgrade: Option<&Upgrade>,
) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = std::mem::take(&mut parts.uri);
    *request.headers_mut() = std::mem::take(&mut parts.headers);
    if let Some(Upgrade { protocol: Some(protocol), .. }) = upgrade {
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(UPGRADE, protocol.clone());
    }
    request
}

/// An answer that needs nobody.
fn at_hand(fixed: Fixed) -> Response<Body> {
    let Fixed { status, headers, body } = fixed;
    let mut reply = Response::new(Body::full(body));
    (*reply.status_mut(), *reply.headers_mut()) = (status, headers);
    reply
}

/// What the upstream answered, and what belongs to it.
struct Answer {
    response: Response<Incoming>,
    lease: Lease,
    limit: Option<Box<LimitReply>>,
    upgrade: Option<Upgrade>,
    deadline: Option<Pin<Box<Sleep>>>,
    course: Arc<Course<Leased>>,
}

/// A client that asks for its connection.
struct Upgrade {
    client: OnUpgrade,
    /// The protocol; none for CONNECT, which names none.
    protocol: Option<HeaderValue>,
}

impl Upgrade {
    fn of(parts: &mut request::Parts, known: Known) -> Option<Self> {
        let protocol = headers::upgrade(parts, known);
        if protocol.is_none() && parts.method != Method::CONNECT {
            return None;
        }
        Some(Self { client: parts.extensions.remove::<OnUpgrade>()?, protocol })
    }
}

fn checked(parts: &request::Parts, known: Known) -> Result<(), &'static str> {
    headers::check(parts, known)?;
    if parts.method == Method::CONNECT && parts.version == Version::HTTP_2 {
        return Err("CONNECT is passed on over HTTP/1.1 alone");
    }
    Ok(())
}

fn told_length(parts: &request::Parts) -> Option<u64> {
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What a request ends as that is not answered by the upstream, and its reply.
fn reply(
    live: &Live,
    flight: &mut Flight,
    failed: Failed,
    grpc: bool,
    voice: Voice,
) -> (Stop, Response<Body>) {
    let fault = match failed {
        Failed::Stopped(Stop::Refused(refusal)) => {
            let reply = refusal.reply(grpc);
            return (Stop::Refused(refusal), reply);
        }
        Failed::Stopped(Stop::Fault(fault)) => fault,
        Failed::Body(error) => body_fault(&error),
        Failed::Deadline { owed } => {
            // Who waits for the client's own body has not waited for the upstream.
            if !owed {
                flight.failed();
            }
            Fault::Deadline
        }
        Failed::Upstream(error) => upstream_fault(live, flight, &error),
        Failed::Switched => {
            flight.failed();
            Fault::Upstream("the upstream went over to a protocol that nobody asked for")
        }
    };
    let reply = fault.reply(grpc, voice);
    (Stop::Fault(fault), reply)
}

fn body_fault(error: &BodyError) -> Fault {
    match error {
        BodyError::TooLarge(max) => Fault::TooLarge(*max),
        BodyError::Stalled => Fault::Stalled,
        error => Fault::BadRequest(error.to_string()),
    }
}

fn upstream_fault(live: &Live, flight: &mut Flight, error: &UpstreamError) -> Fault {
    // That the client's body broke off or is too long is no fault of the upstream's.
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(body) = inner.downcast_ref::<BodyError>() {
            return body_fault(body);
        }
        cause = inner.source();
    }
    flight.failed();
    if let Some(ours) = &live.gate.metrics.ours {
        ours.upstream_error(error.kind()).inc();
    }
    if let Some(pool) = live.pools.first() {
        pool.backend().complain(&live.gate.policy.source, error);
    }
    match error {
        UpstreamError::NoEndpoints(_) | UpstreamError::TooManyConnections { .. } => {
            Fault::Unavailable(error.told())
        }
        _ => Fault::Upstream(error.told()),
    }
}
