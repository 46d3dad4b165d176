//! What Prometheus answered, and what becomes of it: one pressure of all signals.

use super::{Pressure, Thresholds};
use crate::Tick;

/// What counts for a signal that has not been heard of for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSignalLoss {
    /// Its last value; nothing where it never had one.
    #[default]
    Hold,
    /// That all is well.
    Open,
    /// That it is an emergency.
    Closed,
}

/// One signal as it is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalSettings {
    /// Its name.
    pub name: String,
    /// The question, in PromQL.
    pub query: String,
    /// What its value means. Without, the signal fires while the answer is not empty, and then closes
    /// the window.
    pub thresholds: Option<Thresholds>,
}

/// Why a text is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing to ask.
    #[error("empty backpressure query")]
    Empty,
    /// A string literal instead of an expression: quoted once too often.
    #[error("backpressure PromQL cannot be wrapped in quotes")]
    Quoted,
}

/// Checks the text of a signal's query, not its syntax.
///
/// # Errors
/// [`QueryError`] where it is empty or wrapped in quotes.
pub fn check_query(query: &str) -> Result<(), QueryError> {
    let wrapped = |quote| query.len() > 1 && query.starts_with(quote) && query.ends_with(quote);
    match query {
        "" => Err(QueryError::Empty),
        _ if wrapped('"') || wrapped('\'') => Err(QueryError::Quoted),
        _ => Ok(()),
    }
}

/// What came back for a query, by the kinds that Prometheus tells apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    /// An instant vector: the value of each series.
    Vector(&'a [f64]),
    /// One value.
    Scalar(f64),
    /// Series of values over time.
    Matrix,
    /// A text.
    String,
}

/// Why an answer tells nothing. The signal's last value stays until it is too old.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AnswerError {
    /// No series. Only a signal without thresholds means something by that.
    #[error("backpressure query must return a value, but its answer is empty: {query}")]
    Empty {
        /// The query.
        query: String,
    },
    /// No number among them: often a division of zero by zero.
    #[error(
        "backpressure query ({query}) must return a number, not NaN: rule out a division by zero in the query"
    )]
    NotANumber {
        /// The query.
        query: String,
    },
    /// Thresholds are zero or more.
    #[error("backpressure query ({query}) must have non-negative value: {value:.6}")]
    Negative {
        /// The query.
        query: String,
        /// The largest value.
        value: f64,
    },
    /// A kind of answer that is not looked at.
    #[error("backpressure query ({query}) must return an instant vector or a scalar, not a {kind}")]
    Kind {
        /// The query.
        query: String,
        /// What it returned.
        kind: &'static str,
    },
    /// A single value without anything to compare it with.
    #[error(
        "backpressure query ({query}) returns a scalar, and the signal has no thresholds: set warning and emergency, or return a vector that is empty while all is well"
    )]
    ScalarWithoutThresholds {
        /// The query.
        query: String,
    },
    /// The place is not one of the signals'.
    #[error("there is no signal with the index {index}")]
    NoSuchSignal {
        /// The index that was given.
        index: usize,
    },
}

/// What a signal shows of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalStats {
    /// Its last value, if it has one; a signal without thresholds shows the largest of its series.
    pub value: Option<f64>,
    /// How old the last good answer is, in microseconds; `None` before the first.
    pub age_micros: Option<u64>,
    /// Whether it is too old to count as it is.
    pub lost: bool,
    /// Answers that told nothing, and questions without one.
    pub failures: u64,
}

/// A good answer.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// The largest value of its series that is a number.
    value: Option<f64>,
    /// Whether there was any series.
    present: bool,
    at: Tick,
}

#[derive(Clone, Debug)]
struct Signal {
    settings: SignalSettings,
    since: Tick,
    last: Option<Reading>,
    failures: u64,
}

/// The signals of one policy, and what they said last.
#[derive(Clone, Debug)]
pub struct Signals {
    signals: Vec<Signal>,
    on_loss: OnSignalLoss,
    max_staleness_micros: u64,
}

impl Signals {
    /// Signals that have said nothing yet, asked from `now` on. A value, or the silence since `now`,
    /// that is older than `max_staleness_micros` counts as `on_loss` says.
    #[must_use]
    pub fn new(
        settings: Vec<SignalSettings>,
        on_loss: OnSignalLoss,
        max_staleness_micros: u64,
        now: Tick,
    ) -> Self {
        let signal = |settings| Signal { settings, since: now, last: None, failures: 0 };
        Self { signals: settings.into_iter().map(signal).collect(), on_loss, max_staleness_micros }
    }

    /// Takes over other settings. A signal that asks what it asked before under its name keeps what it
    /// knows, whatever becomes of its thresholds.
    pub fn set_settings(
        &mut self,
        settings: Vec<SignalSettings>,
        on_loss: OnSignalLoss,
        max_staleness_micros: u64,
        now: Tick,
    ) {
        let mut next = Self::new(settings, on_loss, max_staleness_micros, now);
        for signal in &mut next.signals {
            let same = |old: &&Signal| {
                old.settings.name == signal.settings.name && old.settings.query == signal.settings.query
            };
            if let Some(old) = self.signals.iter().find(same) {
                // A reading was judged by whether there were thresholds.
                let comparable = old.settings.thresholds.is_some() == signal.settings.thresholds.is_some();
                signal.last = old.last.filter(|_| comparable);
                (signal.since, signal.failures) = (old.since, old.failures);
            }
        }
        *self = next;
    }

    /// Takes in the answer to the question of the signal at `index`, in the order of the settings. A
    /// vector counts by its largest value that is a number.
    ///
    /// # Errors
    /// [`AnswerError`] where the answer tells nothing; it is counted, and the last value stays.
    pub fn handle_answer(&mut self, index: usize, answer: Answer<'_>, now: Tick) -> Result<(), AnswerError> {
        let signal = self.signals.get_mut(index).ok_or(AnswerError::NoSuchSignal { index })?;
        match read(&signal.settings, answer, now) {
            Ok(reading) => {
                signal.last = Some(reading);
                Ok(())
            }
            Err(error) => {
                signal.failures = signal.failures.saturating_add(1);
                Err(error)
            }
        }
    }

    /// The question of the signal at `index` brought no answer. It is counted, and the last value
    /// stays.
    pub fn handle_failure(&mut self, index: usize) {
        if let Some(signal) = self.signals.get_mut(index) {
            signal.failures = signal.failures.saturating_add(1);
        }
    }

    /// What the signals say together at `now`.
    #[must_use]
    pub fn pressure(&self, now: Tick) -> Pressure {
        let (mut throttle, mut firing) = (0.0_f64, false);
        for (signal_throttle, fires) in self.signals.iter().filter_map(|signal| self.judge(signal, now)) {
            throttle = throttle.max(signal_throttle);
            firing |= fires;
        }
        Pressure { allowance: 1.0 - throttle, firing }
    }

    /// What a signal takes of the window, and whether it fires; `None` where it has no say.
    fn judge(&self, signal: &Signal, now: Tick) -> Option<(f64, bool)> {
        if self.is_lost(signal, now) {
            match self.on_loss {
                OnSignalLoss::Open => return None,
                OnSignalLoss::Closed => return Some((1.0, true)),
                OnSignalLoss::Hold => {}
            }
        }
        let reading = signal.last?;
        match signal.settings.thresholds {
            None => Some((if reading.present { 1.0 } else { 0.0 }, reading.present)),
            Some(thresholds) => {
                reading.value.map(|value| (thresholds.throttle(value), thresholds.fires(value)))
            }
        }
    }

    fn lost_at(&self, signal: &Signal) -> Tick {
        signal.last.map_or(signal.since, |reading| reading.at).saturating_add(self.max_staleness_micros)
    }

    fn is_lost(&self, signal: &Signal, now: Tick) -> bool {
        now > self.lost_at(signal)
    }

    /// The next instant after which a signal that is not lost at `now` will be, if none is heard of
    /// until then: when to ask for the pressure again.
    #[must_use]
    pub fn poll_timeout(&self, now: Tick) -> Option<Tick> {
        let fresh = self.signals.iter().filter(|signal| !self.is_lost(signal, now));
        fresh.map(|signal| self.lost_at(signal).saturating_add(1)).min()
    }

    /// Where each signal stands at `now`, in the order of the settings.
    pub fn stats(&self, now: Tick) -> impl Iterator<Item = (&SignalSettings, SignalStats)> {
        self.signals.iter().map(move |signal| {
            let age = |reading: Reading| now.as_micros().saturating_sub(reading.at.as_micros());
            let stats = SignalStats {
                value: signal.last.and_then(|reading| reading.value),
                age_micros: signal.last.map(age),
                lost: self.is_lost(signal, now),
                failures: signal.failures,
            };
            (&signal.settings, stats)
        })
    }
}

/// What an answer means to a signal.
fn read(settings: &SignalSettings, answer: Answer<'_>, at: Tick) -> Result<Reading, AnswerError> {
    let query = || settings.query.clone();
    let scalar;
    let values = match answer {
        Answer::Vector(values) => values,
        Answer::Scalar(_) if settings.thresholds.is_none() => {
            return Err(AnswerError::ScalarWithoutThresholds { query: query() });
        }
        Answer::Scalar(value) => {
            scalar = [value];
            &scalar[..]
        }
        Answer::Matrix => return Err(AnswerError::Kind { query: query(), kind: "range vector" }),
        Answer::String => return Err(AnswerError::Kind { query: query(), kind: "string" }),
    };
    let value = values.iter().copied().filter(|value| !value.is_nan()).reduce(f64::max);
    let reading = Reading { value, present: !values.is_empty(), at };
    if settings.thresholds.is_none() {
        return Ok(reading);
    }
    match value {
        _ if values.is_empty() => Err(AnswerError::Empty { query: query() }),
        None => Err(AnswerError::NotANumber { query: query() }),
        Some(value) if value < 0.0 => Err(AnswerError::Negative { query: query(), value }),
        Some(_) => Ok(reading),
    }
}

#[cfg(test)]
mod tests;
