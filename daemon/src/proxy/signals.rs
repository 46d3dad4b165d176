//! The signals of all policies: Prometheus is asked, and the answers move windows.
//!
//! A question is a query and everything about how it is asked. Each is asked once, however many policies
//! want to know: at once when the first of them comes, then at its interval. What came of it goes, under
//! one lock and so in one order, to the [`engine::aimd::Signals`] of each policy and on to its windows. A
//! task for each policy waits for the instant at which a signal becomes too old, so that a loss counts
//! then and there, also while Prometheus holds an answer back.

mod answer;
mod board;
mod client;
mod news;
mod question;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crds::reference::ObjectName;
use crds::report::SignalReport;
use engine::Tick;
use engine::aimd::{Pressure, Window};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use self::board::{Board, Last};
use self::client::{Ask, Outcome, Server};
use self::question::Question;
use super::policy::{Prometheus, SignalPlan};
use super::secrets::Secrets;
use crate::clock;
use crate::metrics::SignalReading;

/// Asks for all policies of this process. Clones are the same one; with the last, the asking ends.
#[derive(Clone)]
pub struct Asker(Arc<Inner>);

struct Inner {
    open: Box<Open>,
    secrets: Secrets,
    started: Instant,
    /// What makes one pod ask at other instants than the next.
    chance: Option<RandomState>,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

/// Makes somebody who can be asked.
type Open = dyn Fn(&Prometheus) -> Arc<dyn Ask> + Send + Sync;

#[derive(Default)]
struct State {
    board: Board,
    questions: HashMap<Arc<Question>, Running>,
    watches: BTreeMap<ObjectName, Watch>,
}

/// A question that is being asked.
struct Running {
    server: Arc<dyn Ask>,
    last: Option<Last>,
    _task: AbortOnDropHandle<()>,
}

/// Who waits for the instant at which a policy's signal is lost.
struct Watch {
    heard: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Asker").field("questions", &state.questions.len()).finish_non_exhaustive()
    }
}

impl Asker {
    /// One that asks nothing yet.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        let known = secrets.clone();
        let open =
            move |asked: &Prometheus| -> Arc<dyn Ask> { Arc::new(Server::new(asked.clone(), known.clone())) };
        Self::with(secrets, Box::new(open), Some(RandomState::new()))
    }

    fn with(secrets: Secrets, open: Box<Open>, chance: Option<RandomState>) -> Self {
        let (state, changes) = (Mutex::default(), watch::Sender::default());
        Self(Arc::new(Inner { open, secrets, started: clock::timer(), chance, state, changes }))
    }

    /// Follows a policy's signals, which move `windows` from now on; what was known of it before is
    /// replaced. A signal that asks what it asked before under its name keeps value and age, and a question
    /// that is still wanted is not asked out of turn. Must be called in a runtime.
    pub fn follow(&self, policy: &ObjectName, plan: &SignalPlan, windows: Vec<Arc<Window>>) {
        let (inner, now) = (&self.0, self.0.now());
        let mut state = inner.lock();
        // A policy with signals names a server; one without asks nothing.
        let prometheus = plan.prometheus.iter();
        let questions = prometheus.flat_map(|prometheus| {
            plan.signals
                .iter()
                .map(|signal| Question { prometheus: prometheus.clone(), query: signal.query.clone() })
        });
        let asks: Vec<_> = questions.map(|question| inner.ask(&mut state, question)).collect();
        let unasked = SignalPlan { signals: Vec::new(), ..plan.clone() };
        let plan = if plan.prometheus.is_some() { plan } else { &unasked };
        let news = state.board.follow(policy, plan, asks, windows, now);
        match state.watches.get(policy) {
            Some(watch) => watch.heard.notify_one(),
            None => {
                let heard = Arc::new(Notify::new());
                let task = watch_losses(Arc::downgrade(inner), policy.clone(), Arc::clone(&heard));
                let _task = AbortOnDropHandle::new(tokio::spawn(task));
                state.watches.insert(policy.clone(), Watch { heard, _task });
            }
        }
        let unwanted = state.take_unwanted();
        drop(state);
        drop(unwanted);
        news.tell(&inner.changes);
    }

    /// Follows a policy no longer. Its windows stay as they are.
    pub fn forget(&self, policy: &ObjectName) {
        let mut state = self.0.lock();
        state.board.forget(policy);
        let watch = state.watches.remove(policy);
        let unwanted = state.take_unwanted();
        drop(state);
        drop((watch, unwanted));
    }

    /// What there is to report of a policy's signals, in the order of its plan.
    #[must_use]
    pub fn reports(&self, policy: &ObjectName) -> Vec<SignalReport> {
        let now = self.0.now();
        self.0.lock().board.reports(policy, now)
    }

    /// What a policy's signals say together; that all is well where it has none.
    #[must_use]
    pub fn pressure(&self, policy: &ObjectName) -> Pressure {
        let now = self.0.now();
        self.0.lock().board.pressure(policy, now)
    }

    /// Where all signals stand, for the metrics.
    #[must_use]
    pub fn readings(&self) -> Vec<SignalReading> {
        let now = self.0.now();
        self.0.lock().board.readings(now)
    }

    /// Wakes when a report would say something else, numbers aside: a signal is answered, fails or is
    /// lost, or throttling begins or ends.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The timers' clock, which a test may hold still.
    fn now(&self) -> Tick {
        let elapsed = clock::timer().saturating_duration_since(self.started);
        Tick::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// Sees to it that a question is asked.
    fn ask(self: &Arc<Self>, state: &mut State, question: Question) -> (Arc<Question>, Option<Last>) {
        if let Some((question, running)) = state.questions.get_key_value(&question) {
            return (Arc::clone(question), running.last.clone());
        }
        let mut running = state.questions.iter();
        let server = running.find(|(other, _)| other.prometheus == question.prometheus);
        let server = match server {
            Some((_, running)) => Arc::clone(&running.server),
            None => (self.open)(&question.prometheus),
        };
        let question = Arc::new(question);
        let task = Arc::clone(&question).run(Arc::clone(&server), Arc::downgrade(self));
        let _task = AbortOnDropHandle::new(tokio::spawn(task));
        state.questions.insert(Arc::clone(&question), Running { server, last: None, _task });
        (question, None)
    }

    /// Takes in what came of a question.
    fn heard(&self, question: &Arc<Question>, outcome: Outcome) {
        let now = self.now();
        let mut state = self.lock();
        let State { board, questions, watches } = &mut *state;
        let Some(running) = questions.get_mut(question) else { return };
        // One that nobody wanted for a while may have been asked anew since.
        if !board.asks(question) {
            return;
        }
        let (news, concerned) = board.heard(question, &outcome, now);
        running.last = Some((now, Arc::new(outcome)));
        for policy in &concerned {
            if let Some(watch) = watches.get(policy) {
                watch.heard.notify_one();
            }
        }
        drop(state);
        news.tell(&self.changes);
    }

    /// Lets a policy know how late it is; answers when to do so again.
    fn pass_time(&self, policy: &ObjectName) -> Option<Instant> {
        let now = self.now();
        let (news, next) = self.lock().board.pass_time(policy, now);
        news.tell(&self.changes);
        next.and_then(|next| self.started.checked_add(Duration::from_micros(next.as_micros())))
    }
}

impl State {
    /// Takes out the questions that no policy asks any more.
    fn take_unwanted(&mut self) -> Vec<Running> {
        let board = &self.board;
        self.questions.extract_if(|question, _| !board.asks(question)).map(|(_, running)| running).collect()
    }
}

/// Applies each loss when it happens.
async fn watch_losses(inner: Weak<Inner>, policy: ObjectName, heard: Arc<Notify>) {
    loop {
        let Some(next) = inner.upgrade().map(|inner| inner.pass_time(&policy)) else { return };
        let passed = async {
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = passed => {}
            () = heard.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests;
