//! Backpressure with a real Prometheus: a backend that collapses under load by itself is kept on its feet by
//! a policy, and what the policy does when Prometheus is lost is what it says.
//!
//! All of it is on the loopback: the backend in this process with metrics of its own, Prometheus scraping
//! them, and the daemon between load and backend. The load is bounded in rate, number and time.

mod backend;
mod load;
mod picture;
mod prometheus;
mod watch;

use std::time::Duration;

use e2e::clock::{await_condition, await_some_within};
use e2e::daemon::Daemon;
use e2e::kube::connection::say;
use e2e::ports;

use self::backend::Backend;
use self::load::{Load, PATIENCE, Summary};
use self::prometheus::Prometheus;
use self::watch::{Moment, Watch};
use crate::manifests::Manifests;

/// The window's bounds: far more than the four workers need, as people have it who do not know the number.
const MIN: i64 = 4;
const MAX: i64 = 60;
/// Requests in progress for each worker: above this the window begins to close, and here it is closed. With its
/// window wide open the backend has three times as many. So hard a signal makes the window swing for as long as
/// the crowd is there (docs/backpressure.md says how to calm it): it shall go from one end to the other here.
const WARNING: f64 = 2.0;
const EMERGENCY: f64 = 5.0;
/// Requests a second that the backend bears with ease, and three times of what it can do at its best.
const CALM: u32 = 60;
const CROWD: u32 = 600;

/// How long the whole of a phase may take. Only a failure takes so long: all machines are busy.
const LONG: Duration = Duration::from_secs(40);

/// A policy of the cluster `main` whose signal is the backend's saturation.
fn policy(name: &str, port: u16, backend: &Backend, prometheus: &Prometheus, more: &Asked) -> String {
    let (on_loss, query) = (more.on_loss, more.query);
    // Growth as in throttle-proxy: or the calm after the crowd, which fills no window, would not open it.
    format!(
        "apiVersion: wicketgate.dev/v1alpha1\nkind: BackpressurePolicy\nmetadata: {{name: {name}, namespace: test}}\nspec:
  clusterRef: {{name: main}}
  listener: {{port: {port}}}
  upstream: {{url: 'http://{}'}}
  window: {{min: {MIN}, max: {MAX}}}
  algorithm: {{type: SignalCap, growth: Always}}
  signals: [{{name: saturation, query: '{query}', warning: '{WARNING}', emergency: '{EMERGENCY}', curve: 2}}]
  prometheus: {{url: 'http://{}', interval: 1s, timeout: 1s, maxStaleness: 3s, onSignalLoss: {on_loss}}}\n",
        backend.at, prometheus.at
    )
}

/// What a policy asks, and what it does without an answer.
struct Asked {
    on_loss: &'static str,
    query: &'static str,
}

const SATURATION: &str = "sum(avg_over_time(backend_in_progress[2s])) / sum(backend_workers)";

/// The daemon with the policies `hold`, `open` and `closed`, which ask the same and differ in what they do
/// when Prometheus is away, and `typo`, whose query is none. Where `hold` listens is told, too.
async fn start(backend: &Backend, prometheus: &Prometheus) -> (Daemon, Manifests, u16) {
    let ports = ports::free::<4>().map(|at| at.port());
    let asked = [
        ("hold", Asked { on_loss: "Hold", query: SATURATION }),
        ("open", Asked { on_loss: "Open", query: SATURATION }),
        ("closed", Asked { on_loss: "Closed", query: SATURATION }),
        ("typo", Asked { on_loss: "Hold", query: "sum(rate((" }),
    ];
    let policies: Vec<_> = asked
        .iter()
        .zip(ports)
        .map(|((name, asked), port)| policy(name, port, backend, prometheus, asked))
        .collect();
    let documents: Vec<&str> = policies.iter().map(String::as_str).collect();
    let manifests = Manifests::cluster(1, &[], &documents);
    let daemon = manifests.standalone(1).start().await;
    (daemon, manifests, ports[0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_keeps_a_backend_on_its_feet_and_does_as_told_without_prometheus() {
    let backend = Backend::start().await;
    let mut prometheus = Prometheus::start(backend.at).await;
    let (daemon, _manifests, port) = start(&backend, &prometheus).await;
    let watch = Watch::start(daemon.node().http());

    let with = protected(&watch, port).await;
    one_question_is_asked_for_all(&prometheus).await;
    a_query_that_is_none_is_told(&watch, &daemon).await;
    prometheus_is_lost_and_found(&watch, &backend, &mut prometheus).await;
    let without = unprotected().await;

    tell(&with, &without);
    let drawn = picture::draw(&with, &without);
    say(&format!("the curves are in {drawn}"));
    judge(&with, &without);
}

/// One time of calm, one of crowd, one of calm, through the proxy or without it.
struct Run {
    load: Load,
    /// What the daemon said of itself meanwhile; nothing without the proxy.
    moments: Vec<Moment>,
    /// When the crowd came and went, in seconds of the load's own clock.
    crowd: (f64, f64),
}

impl Run {
    fn summary(&self, from: f64, to: f64) -> Summary {
        self.load.summary(from, to)
    }

    /// The time of the crowd without its first part, in which all is only beginning.
    fn later(&self) -> (f64, f64) {
        let (from, to) = self.crowd;
        (from + (to - from) / 2.0, to)
    }
}

async fn protected(watch: &Watch, port: u16) -> Run {
    let load = Load::start(port, CALM);
    let is_open = |moment: &Moment| moment.window == MAX && moment.allowance == 1.0;
    watch.until("calm opens the window to its maximum", 0.0, is_open).await;
    load.until_sent(120).await;

    let came = load.seconds();
    let began = watch.seconds();
    load.set(CROWD);
    watch.until("the signal crosses its warning", began, |moment| moment.signal > WARNING).await;
    let alarmed =
        watch.until("the signal crosses its emergency", began, |moment| moment.signal >= EMERGENCY).await;
    let is_closed = |moment: &Moment| moment.window == MIN && moment.allowance == 0.0;
    let closed = watch.until("the window is closed to its minimum", began, is_closed).await;
    assert!(alarmed <= closed, "the signal closes the window, so it comes first");
    load.until_sent(4_000).await;

    let went = load.seconds();
    let over = watch.seconds();
    load.set(CALM);
    watch.until("the load has fallen, and the window is open again", over, is_open).await;
    load.until_sent(120).await;
    let (from, to) = (watch.offset(&load), load.seconds());
    load.stop().await;
    let moments = watch.moments().into_iter().map(|moment| Moment { at: moment.at - from, ..moment });
    let moments = moments.filter(|moment| (0.0..=to).contains(&moment.at)).collect();
    Run { load, moments, crowd: (came, went) }
}

/// The same load on a backend of the same kind, with nothing between.
async fn unprotected() -> Run {
    let backend = Backend::start().await;
    let load = Load::start(backend.at.port(), CALM);
    load.until_sent(60).await;
    let came = load.seconds();
    load.set(CROWD);
    load.until_sent(3_000).await;
    let went = load.seconds();
    load.stop().await;
    Run { load, moments: Vec::new(), crowd: (came, went) }
}

/// Three policies ask the same every second, so Prometheus is asked once a second.
async fn one_question_is_asked_for_all(prometheus: &Prometheus) {
    let (before, began) = (prometheus.answered().await, std::time::Instant::now());
    await_condition("four more questions", async || prometheus.answered().await >= before + 4.0).await;
    let (asked, seconds) = (prometheus.answered().await - before, began.elapsed().as_secs_f64());
    say(&format!("backpressure: three policies with one query: {asked} questions in {seconds:.1} s"));
    assert!(asked <= seconds + 2.0, "{asked} questions in {seconds} s: they are not shared");
}

async fn a_query_that_is_none_is_told(watch: &Watch, daemon: &Daemon) {
    let report = watch.policy("typo").await;
    let error = &report.signals[0].error;
    assert!(error.starts_with("unexpected status code: 400") && error.contains("parse error"), "{error}");
    let series = "proxymw_bp_query_error_count{policy=\"test/typo\",query_name=\"saturation\"}";
    let counted = daemon.node().http().metric(series).await;
    assert!(counted.is_some_and(|count| count >= 2.0), "{counted:?}");
    assert_eq!(report.allowance.to_f64(), 1.0, "a signal that never had a value takes nothing");
}

/// Halfway to the emergency, the three settings of `onSignalLoss` can be told apart.
async fn prometheus_is_lost_and_found(watch: &Watch, backend: &Backend, prometheus: &mut Prometheus) {
    let names = ["hold", "open", "closed"];
    let allowances = async || {
        let mut found = Vec::new();
        for name in names {
            let report = watch.policy(name).await;
            found.push((report.allowance.to_f64(), report.signals[0].lost));
        }
        found
    };
    // Something else than requests keeps the workers busy: 14 for 4 of them are 3.5 for each.
    backend.occupy(14);
    let steady = (-2.0 * (3.5 - WARNING) / (EMERGENCY - WARNING)).exp();
    let is_steady = |(allowance, lost): &(f64, bool)| !lost && (allowance - steady).abs() < 1e-6;
    await_some_within(LONG, "all three follow the signal", async || {
        allowances().await.iter().all(is_steady).then_some(())
    })
    .await;

    prometheus.kill();
    let lost = await_some_within(LONG, "the signal is lost for all three", async || {
        Some(allowances().await).filter(|found| found.iter().all(|(_, lost)| *lost))
    })
    .await;
    say(&format!(
        "backpressure: Prometheus killed, allowance {steady:.2}: Hold {:.2}, Open {:.2}, Closed {:.2}",
        lost[0].0, lost[1].0, lost[2].0
    ));
    assert!((lost[0].0 - steady).abs() < 1e-6, "Hold: the last value stays: {lost:?}");
    assert_eq!((lost[1].0, lost[2].0), (1.0, 0.0), "Open as if all were well, Closed as in an emergency");
    let closed = watch.policy("closed").await;
    assert_eq!((closed.window, closed.throttling), (MIN, true));
    assert!(!closed.signals[0].error.is_empty(), "and it is told why");

    prometheus.restart().await;
    await_some_within(LONG, "all three follow the signal again", async || {
        allowances().await.iter().all(is_steady).then_some(())
    })
    .await;
    assert_eq!(watch.policy("closed").await.signals[0].error, "");
    backend.occupy(0);
    await_some_within(LONG, "all is well", async || {
        allowances().await.iter().all(|(allowance, _)| *allowance == 1.0).then_some(())
    })
    .await;
}

fn tell(with: &Run, without: &Run) {
    say("backpressure:                     sent/s  answered/s  refused/s   lost/s   p50 ms   p99 ms");
    let line = |name: &str, summary: Summary| say(&format!("backpressure: {name:<18}{summary}"));
    let (came, went) = with.crowd;
    line("calm, window", with.summary(0.0, came));
    line("crowd, window", with.summary(came, went));
    line("  its second half", with.summary(with.later().0, went));
    line("calm again, window", with.summary(went, with.load.seconds()));
    let (came, went) = without.crowd;
    line("calm, nothing", without.summary(0.0, came));
    line("crowd, nothing", without.summary(came, went));
    line("  its second half", without.summary(without.later().0, went));
}

/// Ratios and orders alone: how fast a machine is says nothing.
fn judge(with: &Run, without: &Run) {
    assert_eq!(with.load.odd(), Vec::<String>::new(), "each refusal is 429, says when to come again and why");
    let (came, went) = with.crowd;
    let (calm, crowd) = (with.summary(0.0, came), with.summary(came, went));
    assert_eq!(calm.refused, 0, "in the calm nobody is refused: {calm:?}");
    assert!(crowd.refused > crowd.answered, "three times too many came: {crowd:?}");
    assert!(crowd.lost * 10 <= crowd.answered, "who is let in is answered: {crowd:?}");
    let patience = PATIENCE.as_secs_f64() * 1_000.0;
    let later = with.summary(with.later().0, went);
    assert!(later.p50 < patience / 2.0, "and in good time: {later:?}");
    let alone = without.summary(without.later().0, without.crowd.1);
    assert_eq!(alone.refused, 0, "nobody refuses there");
    assert!(alone.lost > alone.answered * 4, "left to itself the backend collapses: {alone:?}");
    assert!(later.per_second(later.answered) > 3.0 * alone.per_second(alone.answered), "{later:?} {alone:?}");
}
