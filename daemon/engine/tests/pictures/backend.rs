//! A backend that suffers, in virtual time: as many workers as it has, a queue before them, and a refusal
//! of its own once the queue is full. A window stands before it, and Prometheus looks at it now and then.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use wicketgate_engine::Tick;
use wicketgate_engine::aimd::{
    Algorithm, Answer, Bounds, OnSignalLoss, Outcome, Permit, Settings, SignalSettings, Signals, Thresholds,
    Window,
};

/// Requests that it works on at once.
const WORKERS: usize = 20;
/// What a request takes a worker, on average: so it answers 400 in a second.
const SERVICE_MICROS: u64 = 50_000;
/// Requests in it beyond which it fails more of them, quickly.
const FULL: usize = 120;
const FAILURE_MICROS: u64 = 2_000;
/// How often Prometheus is asked for the signal.
const INTERVAL_MICROS: u64 = 5_000_000;
/// Seconds that the scenario lasts.
pub(super) const END: f64 = 180.0;
/// The top of the picture's axis for requests a second.
pub(super) const OFFERED_MOST: f64 = 720.0;
/// One row of what is drawn.
const STEP_MICROS: u64 = 250_000;

/// Requests a second that clients would like to send.
fn offered(seconds: f64) -> f64 {
    let (calm, storm) = (240.0, 680.0);
    let risen = ((seconds - 30.0) / 20.0).clamp(0.0, 1.0) - ((seconds - 120.0) / 20.0).clamp(0.0, 1.0);
    calm + (storm - calm) * risen
}

/// What stands before the backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) algorithm: Algorithm,
    pub(super) signal: Option<Crowd>,
}

/// The signal: requests in the backend by its workers, on average.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    /// Over how many intervals.
    pub(super) averaged: usize,
    /// From 1, when each worker has something to do, to 4.
    pub(super) curve: f64,
}

/// What was to be seen in a step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    pub(super) seconds: f64,
    pub(super) offered: f64,
    pub(super) answered: f64,
    pub(super) failed: f64,
    pub(super) window: f64,
    pub(super) in_flight: f64,
    /// Mean latency of what was answered in the step; not a number where nothing was.
    pub(super) millis: f64,
}

/// A request in the backend, or its failure on the way back.
#[derive(Debug)]
struct Held {
    permit: Permit,
    since: u64,
    fails: bool,
}

struct World {
    window: Arc<Window>,
    signals: Signals,
    /// When each request ends, with its place in `held`.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    held: Vec<Option<Held>>,
    /// When each worker is free.
    workers: BinaryHeap<Reverse<u64>>,
    inside: usize,
    random: u64,
    /// Sum of `inside` over the microseconds since the last question.
    crowd: f64,
    looked: u64,
    /// The means of the last intervals.
    means: VecDeque<f64>,
}

impl Scenario {
    /// Plays it from the beginning to the end.
    pub(super) fn run(self) -> Vec<Moment> {
        let bounds = Bounds::new(10, 200).unwrap();
        let mut world = World::new(Settings::new(bounds, self.algorithm), self.signal);
        let mut moments = Vec::new();
        let mut due = 0.0;
        let mut at = 0;
        while (at as f64) < END * 1e6 {
            let next = at + STEP_MICROS;
            let rate = offered(at as f64 / 1e6);
            let mut moment = Moment { seconds: next as f64 / 1e6, offered: rate, ..Moment::default() };
            due += rate * STEP_MICROS as f64 / 1e6;
            let count = due as u64;
            due -= count as f64;
            for nth in 0..count {
                let arrives = at + STEP_MICROS * nth / count;
                world.finish_until(arrives, &mut moment);
                world.arrive(arrives);
            }
            world.finish_until(next, &mut moment);
            at = next;
            if at % INTERVAL_MICROS == 0 {
                world.ask(at);
            }
            moments.push(world.see(moment));
        }
        moments
    }
}

impl World {
    fn new(settings: Settings, signal: Option<Crowd>) -> Self {
        let declared = signal.map(|signal| SignalSettings {
            name: "crowd".to_owned(),
            query: "in_flight / workers".to_owned(),
            thresholds: Some(Thresholds::new(1.0, 4.0, signal.curve).unwrap()),
        });
        let declared = declared.into_iter().collect();
        Self {
            window: Arc::new(Window::new(settings, 1)),
            signals: Signals::new(declared, OnSignalLoss::Hold, 120_000_000, Tick::default()),
            ends: BinaryHeap::new(),
            held: Vec::new(),
            workers: (0..WORKERS).map(|_| Reverse(0)).collect(),
            inside: 0,
            random: 1,
            crowd: 0.0,
            looked: 0,
            means: signal.map(|signal| vec![0.0; signal.averaged].into()).unwrap_or_default(),
        }
    }

    /// A number from 0 to 1 that is the same in every run (SplitMix64).
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A request comes to the window.
    fn arrive(&mut self, at: u64) {
        let Ok(permit) = self.window.try_enter(None, Tick::from_micros(at)) else { return };
        let fails = self.inside >= FULL;
        let end = if fails {
            at + FAILURE_MICROS
        } else {
            self.crowd_until(at);
            self.inside += 1;
            let Reverse(free) = self.workers.pop().unwrap();
            // From seven to thirteen tenths of the mean.
            let service = (SERVICE_MICROS as f64 * (0.7 + 0.6 * self.random())) as u64;
            let end = free.max(at) + service;
            self.workers.push(Reverse(end));
            end
        };
        self.ends.push(Reverse((end, self.held.len())));
        self.held.push(Some(Held { permit, since: at, fails }));
    }

    /// Ends what ends until then.
    fn finish_until(&mut self, at: u64, moment: &mut Moment) {
        while let Some(Reverse((end, place))) = self.ends.peek().copied().filter(|end| end.0.0 <= at) {
            self.ends.pop();
            let Held { permit, since, fails } = self.held[place].take().unwrap();
            if fails {
                moment.failed += 1.0;
                permit.finish(Outcome::Failure, Tick::from_micros(end));
                continue;
            }
            self.crowd_until(end);
            self.inside -= 1;
            moment.answered += 1.0;
            moment.millis += (end - since) as f64 / 1e3;
            permit.finish(Outcome::Success, Tick::from_micros(end));
        }
    }

    fn crowd_until(&mut self, at: u64) {
        self.crowd += self.inside as f64 * (at - self.looked) as f64;
        self.looked = at;
    }

    /// Prometheus is asked, an interval after it was last.
    fn ask(&mut self, at: u64) {
        self.crowd_until(at);
        let mean = std::mem::take(&mut self.crowd) / INTERVAL_MICROS as f64 / WORKERS as f64;
        if self.means.pop_front().is_none() {
            return;
        }
        self.means.push_back(mean);
        let value = self.means.iter().sum::<f64>() / self.means.len() as f64;
        let now = Tick::from_micros(at);
        self.signals.handle_answer(0, Answer::Vector(&[value]), now).unwrap();
        self.window.set_pressure(self.signals.pressure(now));
    }

    /// Counts of a step become rates and means.
    fn see(&self, moment: Moment) -> Moment {
        let steps = 1e6 / STEP_MICROS as f64;
        let stats = self.window.stats();
        Moment {
            answered: moment.answered * steps,
            failed: moment.failed * steps,
            millis: moment.millis / moment.answered,
            window: f64::from(stats.window),
            in_flight: f64::from(stats.in_flight),
            ..moment
        }
    }
}
