//! Admission under every interleaving of two threads.
//!
//! `make loom`
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it; clippy knows test functions only")]

use std::sync::Arc;

use loom::thread;
use wicketgate_engine::Tick;
use wicketgate_engine::aimd::{
    AimdSettings, Algorithm, Bounds, Growth, Outcome, Permit, Pressure, Settings, Window,
};

const NOW: Tick = Tick::from_micros(0);
const FIRING: Pressure = Pressure { allowance: 0.0, firing: true };

fn settings(min: i64, max: i64, algorithm: Algorithm) -> Settings {
    Settings { growth: Growth::Always, ..Settings::new(Bounds::new(min, max).unwrap(), algorithm) }
}

fn window(settings: Settings) -> Arc<Window> {
    Arc::new(Window::new(settings, 1))
}

fn enter(window: &Arc<Window>) -> Option<Permit> {
    window.try_enter(None, NOW).ok()
}

#[test]
fn one_place_admits_one_of_two() {
    loom::model(|| {
        let window = window(settings(1, 1, Algorithm::Fixed));
        let other = Arc::clone(&window);
        let thread = thread::spawn(move || enter(&other));
        let here = enter(&window);
        let there = thread.join().unwrap();
        assert_eq!(usize::from(here.is_some()) + usize::from(there.is_some()), 1);
        drop((here, there));
        assert_eq!(window.stats().in_flight, 0);
    });
}

#[test]
fn a_place_given_back_is_free() {
    loom::model(|| {
        let window = window(settings(1, 1, Algorithm::Fixed));
        let held = enter(&window).unwrap();
        let other = Arc::clone(&window);
        let thread = thread::spawn(move || enter(&other));
        held.finish(Outcome::Success, NOW);
        let late = thread.join().unwrap();
        let again = enter(&window);
        assert_ne!(late.is_some(), again.is_some(), "one place, one holder");
        drop((late, again));
        assert_eq!(window.stats().in_flight, 0);
    });
}

#[test]
fn a_request_that_ends_cannot_undo_a_cap() {
    loom::model(|| {
        let window = window(settings(1, 3, Algorithm::SignalCap));
        let held = enter(&window).unwrap();
        let other = Arc::clone(&window);
        // The window is at the new cap already, so that only the mark in the state tells.
        let thread = thread::spawn(move || other.set_pressure(FIRING));
        held.finish(Outcome::Success, NOW);
        thread.join().unwrap();
        assert_eq!((window.stats().window, window.stats().in_flight), (1, 0));
    });
}

#[test]
fn a_request_that_ends_cannot_undo_a_minimum() {
    loom::model(|| {
        let window = window(settings(4, 8, Algorithm::SignalAimd));
        window.set_pressure(FIRING);
        window.set_settings(settings(2, 8, Algorithm::SignalAimd));
        let held = enter(&window).unwrap();
        let other = Arc::clone(&window);
        let thread = thread::spawn(move || other.set_settings(settings(4, 8, Algorithm::SignalAimd)));
        held.finish(Outcome::Success, NOW);
        thread.join().unwrap();
        assert_eq!((window.stats().window, window.stats().in_flight), (4, 0));
    });
}

#[test]
fn samples_and_signals_meet_within_the_bounds() {
    loom::model(|| {
        let window = window(settings(1, 3, Algorithm::Aimd(AimdSettings::default())));
        let held = enter(&window).unwrap();
        let other = Arc::clone(&window);
        let thread = thread::spawn(move || other.set_pressure(FIRING));
        held.finish(Outcome::Failure, NOW);
        thread.join().unwrap();
        let stats = window.stats();
        assert_eq!((stats.window, stats.latency_window, stats.in_flight), (1, Some(2), 0));
    });
}

#[test]
fn entering_beside_a_closing_window_leaves_nothing_behind() {
    loom::model(|| {
        let window = window(settings(1, 2, Algorithm::Fixed));
        let other = Arc::clone(&window);
        let thread = thread::spawn(move || other.set_settings(settings(1, 1, Algorithm::Fixed)));
        let permits = [enter(&window), enter(&window)];
        thread.join().unwrap();
        assert_eq!(window.stats().in_flight as usize, permits.iter().flatten().count());
        assert!(enter(&window).is_none(), "the first always enters, and fills the new window");
        drop(permits);
        assert_eq!(window.stats().in_flight, 0);
    });
}
