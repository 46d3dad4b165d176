//! What is known of each policy's signals, and what follows for its windows. No task, no clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::decimal::Decimal;
use crds::duration::GoDuration;
use crds::reference::ObjectName;
use crds::report::SignalReport;
use engine::Tick;
use engine::aimd::{Pressure, SignalSettings, SignalStats, Signals, Window};

use super::client::Outcome;
use super::news::{Line, News};
use super::question::Question;
use crate::api::shorten;
use crate::metrics::SignalReading;
use crate::proxy::policy::SignalPlan;

/// A question's last outcome, and when it came.
pub(super) type Last = (Tick, Arc<Outcome>);

/// All policies.
#[derive(Default)]
pub(super) struct Board {
    policies: BTreeMap<ObjectName, Followed>,
}

struct Followed {
    signals: Signals,
    /// What each signal asks.
    asks: Vec<Arc<Question>>,
    /// Why the last question of each brought no value; empty where it did.
    errors: Vec<String>,
    windows: Vec<Arc<Window>>,
    told: Told,
}

/// What was told last, of which only a change is told again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    throttling: bool,
    signals: Vec<ToldSignal>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ToldSignal {
    heard: bool,
    lost: bool,
    error: String,
}

impl Board {
    /// Takes over what a policy declares. `asks` has the question of each signal, and what came of it
    /// last where others ask it already.
    pub(super) fn follow(
        &mut self,
        policy: &ObjectName,
        plan: &SignalPlan,
        asks: Vec<(Arc<Question>, Option<Last>)>,
        windows: Vec<Arc<Window>>,
        now: Tick,
    ) -> News {
        let settings = plan.signals.clone();
        let staleness = u64::try_from(plan.max_staleness.as_micros()).unwrap_or(u64::MAX);
        let (asks, lasts): (Vec<_>, Vec<_>) = asks.into_iter().unzip();
        let followed = match self.policies.remove(policy) {
            Some(mut known) => {
                let before: Vec<_> = known.signals.stats(now).map(|(settings, _)| settings.clone()).collect();
                known.signals.set_settings(settings, plan.on_loss, staleness, now);
                known.carry_over(&before, now);
                Followed { asks, windows, ..known }
            }
            None => Followed {
                signals: Signals::new(settings, plan.on_loss, staleness, now),
                errors: vec![String::new(); asks.len()],
                told: Told { throttling: false, signals: vec![ToldSignal::default(); asks.len()] },
                asks,
                windows,
            },
        };
        let followed = self.policies.entry(policy.clone()).or_insert(followed);
        for (index, last) in lasts.into_iter().enumerate() {
            if let Some((at, outcome)) = last {
                followed.catch_up(index, &outcome, at, now);
            }
        }
        followed.settle(policy, now)
    }

    /// Whether there was such a policy.
    pub(super) fn forget(&mut self, policy: &ObjectName) -> bool {
        self.policies.remove(policy).is_some()
    }

    /// Whether any policy asks this.
    pub(super) fn asks(&self, question: &Arc<Question>) -> bool {
        self.policies.values().any(|followed| followed.asks.iter().any(|asked| Arc::ptr_eq(asked, question)))
    }

    /// Takes in what came of a question, for every policy that asks it. Tells which those are.
    pub(super) fn heard(
        &mut self,
        question: &Arc<Question>,
        outcome: &Outcome,
        now: Tick,
    ) -> (News, Vec<ObjectName>) {
        let (mut news, mut concerned) = (News::default(), Vec::new());
        for (policy, followed) in &mut self.policies {
            let asking = followed.asks.iter().enumerate();
            let asking = asking.filter(|(_, asked)| Arc::ptr_eq(asked, question)).map(|(index, _)| index);
            let asking: Vec<_> = asking.collect();
            if !asking.is_empty() {
                asking.into_iter().for_each(|index| followed.take(index, outcome, now));
                news.extend(followed.settle(policy, now));
                concerned.push(policy.clone());
            }
        }
        (news, concerned)
    }

    /// Lets a policy know how late it is, and says when it wants to know again.
    pub(super) fn pass_time(&mut self, policy: &ObjectName, now: Tick) -> (News, Option<Tick>) {
        match self.policies.get_mut(policy) {
            Some(followed) => (followed.settle(policy, now), followed.signals.poll_timeout(now)),
            None => (News::default(), None),
        }
    }

    pub(super) fn pressure(&self, policy: &ObjectName, now: Tick) -> Pressure {
        self.policies.get(policy).map_or(Pressure::NONE, |followed| followed.signals.pressure(now))
    }

    pub(super) fn reports(&self, policy: &ObjectName, now: Tick) -> Vec<SignalReport> {
        let Some(followed) = self.policies.get(policy) else { return Vec::new() };
        let report = |((settings, stats), error): ((&SignalSettings, SignalStats), &String)| SignalReport {
            name: settings.name.clone(),
            value: stats.value.map(Decimal::from_f64),
            age: stats.age_micros.map(|age| GoDuration::from_millis(age / 1_000)),
            error: error.clone(),
            lost: stats.lost,
        };
        followed.signals.stats(now).zip(&followed.errors).map(report).collect()
    }

    pub(super) fn readings(&self, now: Tick) -> Vec<SignalReading> {
        let of = |(policy, followed): (&ObjectName, &Followed)| {
            let policy = policy.to_string();
            let reading = |(settings, stats): (&SignalSettings, SignalStats)| SignalReading {
                policy: policy.clone(),
                name: settings.name.clone(),
                thresholds: settings.thresholds,
                stats,
            };
            followed.signals.stats(now).map(reading).collect::<Vec<_>>()
        };
        self.policies.iter().flat_map(of).collect()
    }
}

impl Followed {
    /// Puts errors, and what was told, from where the signals stood `before` to where they stand now.
    fn carry_over(&mut self, before: &[SignalSettings], now: Tick) {
        let place = |settings: &SignalSettings| {
            let same = |old: &SignalSettings| old.name == settings.name && old.query == settings.query;
            before.iter().position(same)
        };
        let places: Vec<_> = self.signals.stats(now).map(|(settings, _)| place(settings)).collect();
        let error = |place: &Option<usize>| place.and_then(|old| self.errors.get(old).cloned());
        let errors = places.iter().map(|place| error(place).unwrap_or_default()).collect();
        let told = |place: &Option<usize>| place.and_then(|old| self.told.signals.get(old).cloned());
        let told = places.iter().map(|place| told(place).unwrap_or_default()).collect();
        (self.errors, self.told.signals) = (errors, told);
    }

    /// Takes in what came of a question before this signal asked it, if it knows nothing newer.
    fn catch_up(&mut self, index: usize, outcome: &Outcome, at: Tick, now: Tick) {
        let known = self.signals.stats(now).nth(index).map(|(_, stats)| stats);
        let age = now.as_micros().saturating_sub(at.as_micros());
        let fresh = |stats: SignalStats| stats.age_micros.is_none_or(|known| known > age);
        if known.is_some_and(fresh) && self.errors.get(index).is_some_and(String::is_empty) {
            self.take(index, outcome, at);
        }
    }

    fn take(&mut self, index: usize, outcome: &Outcome, at: Tick) {
        let error = match outcome {
            Ok(answered) => match self.signals.handle_answer(index, answered.as_answer(), at) {
                Ok(()) => String::new(),
                Err(error) => shorten(error.to_string()),
            },
            Err(error) => {
                self.signals.handle_failure(index);
                error.clone()
            }
        };
        if let Some(place) = self.errors.get_mut(index) {
            *place = error;
        }
    }

    /// Lets the windows have what the signals say now, and finds what is worth telling.
    fn settle(&mut self, policy: &ObjectName, now: Tick) -> News {
        let pressure = self.signals.pressure(now);
        for window in &self.windows {
            window.set_pressure(pressure);
        }
        let signals = self.signals.stats(now).zip(&self.errors).map(|((_, stats), error)| ToldSignal {
            heard: stats.age_micros.is_some(),
            lost: stats.lost,
            error: error.clone(),
        });
        let told = Told { throttling: pressure.is_throttling(), signals: signals.collect() };
        let mut news = News { changed: told != self.told, lines: Vec::new() };
        let names = self.signals.stats(now).map(|(settings, _)| &settings.name);
        for (name, (before, after)) in names.zip(self.told.signals.iter().zip(&told.signals)) {
            let mut say = |line| news.lines.push((policy.to_string(), name.clone(), line));
            if before.error.is_empty() != after.error.is_empty() {
                say(if after.error.is_empty() { Line::Answered } else { Line::Failed(after.error.clone()) });
            }
            if after.lost && !before.lost {
                say(Line::Lost);
            }
        }
        self.told = told;
        news
    }
}

#[cfg(test)]
mod tests;
