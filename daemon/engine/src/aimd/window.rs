//! The window: who may enter, and how wide it is after each that leaves.

use std::sync::{Arc, PoisonError};

use super::{
    AimdSettings, Bounds, Closed, Criticality, Gradient2Settings, Outcome, Permit, Pressure, Shares,
    VegasSettings,
    latency::{Estimator, Sample},
    permit::End,
    state::State,
};
use crate::{
    Tick,
    sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering},
};

/// What moves a window within its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    /// Capped by the signals' allowance; begins at the minimum and grows by one for each request.
    SignalCap,
    /// Halved with each request that ends while a signal fires, else grows by one.
    SignalAimd,
    /// By latency: a little less after a failed or slow request, else one more.
    Aimd(AimdSettings),
    /// By latency: by the queue that it implies.
    Vegas(VegasSettings),
    /// By latency: by how the short average compares with the long.
    Gradient2(Gradient2Settings),
    /// Always the maximum, whatever the signals say.
    Fixed,
}

/// When a window that the signals move may grow. Windows that latency moves have rules of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Growth {
    /// After a success, and while at least half of the window was in use.
    #[default]
    WhenBusy,
    /// With each request that ends.
    Always,
}

/// All that is declared of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Between what it moves.
    pub bounds: Bounds,
    /// What moves it.
    pub algorithm: Algorithm,
    /// When it may grow.
    pub growth: Growth,
    /// How full it may be for each class.
    pub shares: Shares,
}

impl Settings {
    /// The defaults for these bounds and this algorithm.
    #[must_use]
    pub fn new(bounds: Bounds, algorithm: Algorithm) -> Self {
        Self { bounds, algorithm, growth: Growth::default(), shares: Shares::default() }
    }
}

/// What a window shows of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Requests in flight. May be above `window` after the window has closed.
    pub in_flight: u32,
    /// How many may be in flight.
    pub window: u32,
    /// What latency alone would allow, where it is asked.
    pub latency_window: Option<u32>,
    /// Between what the window moves.
    pub bounds: Bounds,
    /// What the signals said last.
    pub pressure: Pressure,
}

/// How many requests may be in flight, and how many are.
///
/// Entering takes one atomic exchange and no lock, and so does leaving unless latency moves the
/// window. All methods may be called from any thread.
#[derive(Debug)]
pub struct Window {
    /// A [`State`].
    state: AtomicU64,
    /// What a request that ends needs of the rules. They are stored before the state that is worked
    /// out under them, and each publication changes the state; so whoever leaves under old rules
    /// either fails its exchange or is put right by the publication that follows.
    min: AtomicU32,
    cap: AtomicU32,
    rule: AtomicU32,
    /// [`Shares`], packed.
    shares: AtomicU32,
    governor: Mutex<Governor>,
}

/// What a request that ends does to the window, as it stands in [`Window::rule`].
mod rule {
    /// Nothing.
    pub(super) const HOLD: u32 = 0;
    /// It may grow, after a success in a busy window.
    pub(super) const GROW_WHEN_BUSY: u32 = 1;
    /// It grows.
    pub(super) const GROW: u32 = 2;
    /// It is halved.
    pub(super) const HALVE: u32 = 3;
    /// Its latency is a sample.
    pub(super) const SAMPLE: u32 = 4;
}

/// What is changed under the lock.
#[derive(Debug)]
struct Governor {
    settings: Settings,
    pressure: Pressure,
    estimator: Option<Estimator>,
    seed: u64,
}

impl Governor {
    /// The widest that the window may be at present.
    fn cap(&self) -> u32 {
        match self.settings.algorithm {
            Algorithm::SignalAimd | Algorithm::Fixed => self.settings.bounds.max(),
            _ => self.settings.bounds.cap(self.pressure.allowance),
        }
    }

    fn rule(&self) -> u32 {
        match self.settings.algorithm {
            Algorithm::Fixed => rule::HOLD,
            Algorithm::Aimd(_) | Algorithm::Vegas(_) | Algorithm::Gradient2(_) => rule::SAMPLE,
            Algorithm::SignalAimd if self.pressure.firing => rule::HALVE,
            Algorithm::SignalAimd | Algorithm::SignalCap => match self.settings.growth {
                Growth::WhenBusy => rule::GROW_WHEN_BUSY,
                Growth::Always => rule::GROW,
            },
        }
    }

    /// The window under the rules as they are, where it was `window`.
    fn settle(&self, window: u32) -> u32 {
        let wide = match (&self.estimator, self.settings.algorithm) {
            (Some(estimator), _) => estimator.window(),
            (None, Algorithm::Fixed) => self.settings.bounds.max(),
            (None, _) => window,
        };
        self.settings.bounds.clamp(wide.min(self.cap()))
    }
}

impl Window {
    /// A window in which nothing is in flight. One that signals move begins at its minimum. `seed` is
    /// for what an algorithm does at random.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        let governor = Governor {
            settings,
            pressure: Pressure::NONE,
            estimator: Estimator::new(settings.algorithm, settings.bounds, None, seed),
            seed,
        };
        let window = governor.settle(settings.bounds.min());
        Self {
            state: AtomicU64::new(State { in_flight: 0, window, generation: 0 }.pack()),
            min: AtomicU32::new(settings.bounds.min()),
            cap: AtomicU32::new(governor.cap()),
            rule: AtomicU32::new(governor.rule()),
            shares: AtomicU32::new(settings.shares.pack()),
            governor: Mutex::new(governor),
        }
    }

    /// Lets a request in, or refuses it at once. `class` is `None` where requests are not told apart;
    /// such a request may fill all of the window.
    ///
    /// # Errors
    /// [`Closed`] where as many are in flight as the window, or the class's share of it, allows.
    pub fn try_enter(self: &Arc<Self>, class: Option<Criticality>, now: Tick) -> Result<Permit, Closed> {
        let in_flight = self.enter(class)?;
        Ok(Permit::new(Arc::clone(self), now, in_flight))
    }

    fn enter(&self, class: Option<Criticality>) -> Result<u32, Closed> {
        let mut word = self.state.load(Ordering::Relaxed);
        loop {
            let state = State::unpack(word);
            let allowed = class.map_or(state.window, |class| {
                Shares::allowed(self.shares.load(Ordering::Relaxed), class, state.window)
            });
            if state.in_flight >= allowed {
                return Err(Closed { in_flight: state.in_flight, allowed });
            }
            let entered = State { in_flight: state.in_flight + 1, ..state };
            match self.exchange(word, entered) {
                Ok(()) => return Ok(entered.in_flight),
                Err(found) => word = found,
            }
        }
    }

    /// Takes a request out, and moves the window as its end demands. `in_flight` is what was in
    /// flight when it entered.
    pub(super) fn leave(&self, end: End, in_flight: u32) {
        let mut word = self.state.load(Ordering::Acquire);
        let rule = loop {
            let state = State::unpack(word);
            let rule = self.rule.load(Ordering::Relaxed);
            let left = State {
                in_flight: state.in_flight.saturating_sub(1),
                window: self.moved(state, rule, end),
                ..state
            };
            match self.exchange(word, left) {
                Ok(()) => break rule,
                Err(found) => word = found,
            }
        };
        if rule == rule::SAMPLE
            && end.outcome != Outcome::Ignored
            && let Some(micros) = end.micros
        {
            self.observe(Sample { micros, in_flight, dropped: end.outcome == Outcome::Failure });
        }
    }

    /// The window after a request that ends, by the rules that need no lock.
    fn moved(&self, state: State, rule: u32, end: End) -> u32 {
        let grows = match rule {
            rule::GROW => true,
            rule::GROW_WHEN_BUSY => {
                end.outcome == Outcome::Success && state.in_flight.saturating_mul(2) >= state.window
            }
            rule::HALVE => return (state.window / 2).max(self.min.load(Ordering::Relaxed)),
            _ => return state.window,
        };
        (state.window + u32::from(grows)).min(self.cap.load(Ordering::Relaxed))
    }

    fn observe(&self, sample: Sample) {
        let mut governor = self.lock();
        let bounds = governor.settings.bounds;
        if let Some(estimator) = &mut governor.estimator {
            estimator.observe(sample, bounds);
        }
        self.settle(&governor, false);
    }

    /// Takes in what the signals say now. Requests that are in flight stay.
    pub fn set_pressure(&self, pressure: Pressure) {
        let mut governor = self.lock();
        if governor.pressure != pressure {
            governor.pressure = pressure;
            self.publish(&governor);
        }
    }

    /// Takes over other settings. Requests that are in flight stay, also where they are more than the
    /// new maximum; the window moves into the new bounds, and a new algorithm goes on from there.
    pub fn set_settings(&self, settings: Settings) {
        let mut governor = self.lock();
        if governor.settings.algorithm == settings.algorithm {
            if let Some(estimator) = &mut governor.estimator {
                estimator.confine(settings.bounds);
            }
        } else {
            let window = State::unpack(self.state.load(Ordering::Acquire)).window;
            governor.estimator =
                Estimator::new(settings.algorithm, settings.bounds, Some(window), governor.seed);
        }
        governor.settings = settings;
        self.publish(&governor);
    }

    /// Puts changed rules in force.
    fn publish(&self, governor: &Governor) {
        self.min.store(governor.settings.bounds.min(), Ordering::Relaxed);
        self.cap.store(governor.cap(), Ordering::Relaxed);
        self.rule.store(governor.rule(), Ordering::Relaxed);
        self.shares.store(governor.settings.shares.pack(), Ordering::Relaxed);
        self.settle(governor, true);
    }

    /// Brings the window under the rules, with a mark in the state where these are new.
    fn settle(&self, governor: &Governor, new: bool) {
        let mut word = self.state.load(Ordering::Relaxed);
        loop {
            let state = State::unpack(word);
            let generation = if new { state.next_generation() } else { state.generation };
            let settled = State { window: governor.settle(state.window), generation, ..state };
            if settled == state {
                return;
            }
            match self.exchange(word, settled) {
                Ok(()) => return,
                Err(found) => word = found,
            }
        }
    }

    fn exchange(&self, word: u64, state: State) -> Result<(), u64> {
        let exchanged =
            self.state.compare_exchange_weak(word, state.pack(), Ordering::AcqRel, Ordering::Acquire);
        exchanged.map(|_| ())
    }

    /// Where the window stands.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let governor = self.lock();
        let State { in_flight, window, .. } = State::unpack(self.state.load(Ordering::Acquire));
        Stats {
            in_flight,
            window,
            latency_window: governor.estimator.as_ref().map(Estimator::window),
            bounds: governor.settings.bounds,
            pressure: governor.pressure,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Governor> {
        // Nothing panics under the lock; were it so, each field is still whole.
        self.governor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
