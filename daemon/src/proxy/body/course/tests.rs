use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use prometheus::Registry;

use super::*;
use crate::proxy::body::Guarded;
use crate::proxy::layer::{Chain, Chains, policy};
use crate::proxy::secrets::Secrets;

const POLICY: &str = "
apiVersion: wicketgate.dev/v1alpha1
kind: BackpressurePolicy
metadata: {name: web}
spec:
  clusterRef: {name: none}
  listener: {port: 8080}
  upstream: {url: 'http://localhost:3000'}
  window: {min: 1, max: 10}
  algorithm: {type: Fixed}
";

/// What an upstream has said so far; an empty piece is the end.
#[derive(Clone, Default)]
struct Says(Arc<Mutex<VecDeque<&'static str>>>);

impl Says {
    fn more(&self, piece: &'static str) {
        self.0.lock().unwrap().push_back(piece);
    }

    fn ends(&self) {
        self.more("");
    }
}

impl HttpBody for Says {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.0.lock().unwrap().pop_front() {
            Some("") => Poll::Ready(None),
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
            None => Poll::Pending,
        }
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An answer under way, which has a place.
struct Case {
    chain: Chain,
    says: Says,
    course: Arc<Course<Says>>,
    guarded: Guarded<Says>,
    woken: Arc<Woken>,
}

impl Case {
    fn begin() -> Self {
        Self::of(POLICY, StatusCode::OK)
    }

    fn of(declared: &str, status: StatusCode) -> Self {
        let chains = Chains::new(&Registry::new(), Secrets::default()).unwrap();
        let chain = chains.start(policy(declared).unwrap()).unwrap();
        let gate = chain.gate();
        let mut flight = Flight::new(Arc::clone(gate), 0, true, None);
        flight.admitted(gate.windows[0].try_enter(None, crate::clock::tick()).ok());
        flight.answered(status, &HeaderMap::new());
        let (says, course) = (Says::default(), Arc::new(Course::default()));
        let guarded = Guarded::new(Arc::clone(&course), says.clone(), flight, None, || ());
        Self { chain, says, course, guarded, woken: Arc::default() }
    }

    /// What the client is given when it asks: nothing yet, a piece, or a broken end.
    fn takes(&mut self) -> Option<Result<Bytes, ()>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        match Pin::new(&mut self.guarded).poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending | Poll::Ready(None) => None,
            Poll::Ready(Some(frame)) => {
                Some(frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(|_| ()))
            }
        }
    }

    fn look(&self, moved: bool) -> bool {
        self.course.look(moved)
    }

    fn in_flight(&self) -> i64 {
        self.chain.report().in_flight
    }
}

#[tokio::test]
async fn an_answer_that_lies_for_long_is_given_up_with_its_place() {
    let mut case = Case::begin();
    // It was never even asked for.
    case.says.more("lies");
    let looks = [(); 3].map(|()| case.look(false));
    assert_eq!((looks, case.in_flight()), ([false, false, true], 0));
    assert_eq!(case.takes(), Some(Err(())));
}

#[tokio::test]
async fn what_was_looked_at_is_not_lost() {
    let mut case = Case::begin();
    for piece in ["a", "b"] {
        case.says.more(piece);
        assert!(!case.look(false) && !case.look(false));
        assert_eq!(HttpBody::size_hint(&case.guarded).lower(), 1);
        assert_eq!(case.takes(), Some(Ok(piece.into())), "whoever takes in time goes on");
    }
    assert_eq!((case.takes(), case.in_flight()), (None, 1));
}

#[tokio::test]
async fn an_answer_whose_end_was_looked_at_is_read_whole() {
    // That it was, the window tells: it falls for a failure, and not for what was given up.
    let mut case = Case::of(&POLICY.replace("Fixed", "AIMD"), StatusCode::SERVICE_UNAVAILABLE);
    let window = |case: &Case| case.chain.gate().windows[0].stats().window;
    case.says.more("all");
    assert_eq!(case.takes(), Some(Ok("all".into())));
    case.says.ends();
    assert!(!case.look(false) && HttpBody::is_end_stream(&case.guarded));
    let before = window(&case);
    drop(std::mem::replace(&mut case.guarded, Case::begin().guarded));
    assert_eq!((case.in_flight(), window(&case) < before), (0, true));
}

#[tokio::test]
async fn an_upstream_that_says_nothing_is_waited_for() {
    let mut case = Case::begin();
    // Whether the client has asked for more, or cannot take more.
    for asks in [false, true] {
        assert!(!asks || case.takes().is_none());
        assert_eq!([(); 10].map(|()| case.look(false)), [false; 10]);
    }
    case.says.more("at last");
    assert_eq!(case.takes(), Some(Ok("at last".into())));
}

#[tokio::test]
async fn whoever_takes_bytes_of_it_is_slow_and_no_more() {
    let case = Case::begin();
    case.says.more("long");
    assert!([(); 10].map(|()| case.look(true)).iter().all(|given_up| !given_up));
    assert!(!case.look(false) && case.look(false));
}

#[tokio::test]
async fn a_body_that_stops_coming_is_stalled() {
    let course = Course::<Says>::default();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(!course.look(false), "nobody has asked for it");
    for _ in 0..3 {
        assert_eq!(course.sends(Some(&waker)).ok(), Some(true));
        assert!(!course.look(false) && !course.look(false));
        assert_eq!(course.sends(None).ok(), Some(true), "a piece has come in time");
    }
    assert_eq!(course.sends(Some(&waker)).ok(), Some(true));
    assert_eq!([(); 3].map(|()| course.look(false)), [false; 3]);
    assert_eq!((course.is_stalled(), woken.0.load(Ordering::Relaxed)), (true, 1));
    assert!(matches!(course.sends(Some(&waker)), Err(BodyError::Stalled)));
}

#[tokio::test]
async fn once_the_answer_has_begun_a_client_may_send_when_it_likes() {
    let case = Case::begin();
    assert_eq!(case.course.sends(Some(Waker::noop())).ok(), Some(false));
    assert_eq!([(); 10].map(|()| case.look(false)), [false; 10]);
    assert!(!case.course.is_stalled());
}
