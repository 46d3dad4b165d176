//! Laws of the window: whatever comes in whatever order, it stays within its bounds, admits only
//! what fits, and ends empty.

use std::sync::Arc;

use proptest::prelude::*;
use wicketgate_engine::Tick;
use wicketgate_engine::aimd::{
    AimdSettings, Algorithm, Bounds, Criticality, Gradient2Settings, Growth, Outcome, Permit, Pressure,
    Settings, Shares, VegasSettings, Window,
};

#[derive(Clone, Debug)]
enum Step {
    Enter(Option<Criticality>),
    /// Ends one of those in flight, after so many microseconds; `None` drops its permit.
    End(usize, Option<Outcome>, u64),
    Signal(f64, bool),
    Change(Settings),
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::SignalCap),
        Just(Algorithm::SignalAimd),
        Just(Algorithm::Fixed),
        Just(Algorithm::Aimd(AimdSettings::default())),
        Just(Algorithm::Vegas(VegasSettings::default())),
        Just(Algorithm::Gradient2(Gradient2Settings::default())),
    ]
}

prop_compose! {
    fn settings()(
        min in 1_i64..20,
        more in 0_i64..40,
        algorithm in algorithm(),
        growth in prop_oneof![Just(Growth::WhenBusy), Just(Growth::Always)],
        shares in any::<[u8; 4]>(),
    ) -> Settings {
        let [critical_plus, critical, sheddable_plus, sheddable] = shares;
        let shares = Shares { critical_plus, critical, sheddable_plus, sheddable };
        Settings { growth, shares, ..Settings::new(Bounds::new(min, min + more).unwrap(), algorithm) }
    }
}

fn class() -> impl Strategy<Value = Option<Criticality>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Criticality::CriticalPlus)),
        1 => Just(Some(Criticality::Critical)),
        1 => Just(Some(Criticality::SheddablePlus)),
        1 => Just(Some(Criticality::Sheddable)),
    ]
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    prop_oneof![
        4 => Just(Some(Outcome::Success)),
        1 => Just(Some(Outcome::Failure)),
        1 => Just(Some(Outcome::Ignored)),
        1 => Just(None),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => class().prop_map(Step::Enter),
        10 => (any::<usize>(), outcome(), any::<u64>()).prop_map(|(which, how, took)| Step::End(which, how, took % 8_000_000)),
        2 => (prop_oneof![0.0..=1.0, any::<f64>()], any::<bool>()).prop_map(|(allowance, firing)| Step::Signal(allowance, firing)),
        1 => settings().prop_map(Step::Change),
    ]
}

proptest! {
    #[test]
    fn a_window_keeps_its_bounds_and_its_count(first in settings(), steps in prop::collection::vec(step(), 1..300)) {
        let window = Arc::new(Window::new(first, 3));
        let mut permits: Vec<Permit> = Vec::new();
        for step in steps {
            match step {
                Step::Enter(class) => {
                    let before = window.stats();
                    match window.try_enter(class, Tick::from_micros(0)) {
                        Ok(permit) => {
                            prop_assert!(before.in_flight < before.window, "{:?}", before);
                            prop_assert_eq!(permit.in_flight(), before.in_flight + 1);
                            permits.push(permit);
                        }
                        Err(closed) => {
                            prop_assert!(closed.in_flight >= closed.allowed && closed.allowed <= before.window);
                            prop_assert!(class.is_some() || closed.allowed == before.window);
                        }
                    }
                }
                Step::End(which, how, took) if !permits.is_empty() => {
                    let permit = permits.swap_remove(which % permits.len());
                    match how {
                        Some(outcome) => permit.finish(outcome, Tick::from_micros(took)),
                        None => drop(permit),
                    }
                }
                Step::End(..) => {}
                Step::Signal(allowance, firing) => window.set_pressure(Pressure { allowance, firing }),
                Step::Change(settings) => window.set_settings(settings),
            }
            let stats = window.stats();
            prop_assert!(stats.bounds.min() <= stats.window && stats.window <= stats.bounds.max(), "{:?}", stats);
            prop_assert_eq!(stats.in_flight as usize, permits.len());
        }
        drop(permits);
        prop_assert_eq!(window.stats().in_flight, 0);
    }
}
