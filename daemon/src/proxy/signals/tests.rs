use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crds::credentials::SecretKey;
use engine::aimd::{Algorithm, Bounds, OnSignalLoss, Settings, SignalSettings, Thresholds};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{advance, sleep};

use super::answer::Answered;
use super::*;
use crate::proxy::policy::Auth;

/// What a server does when it is asked.
#[derive(Clone, Debug)]
enum Act {
    Say(f64),
    Fail(&'static str),
    Hang,
    /// An answer after so long.
    Slow(Duration),
}

/// Servers that do what a test says, and count.
#[derive(Clone)]
struct Script {
    act: Arc<Mutex<Act>>,
    opened: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Ask for Script {
    fn ask<'a>(&'a self, _query: &'a str) -> BoxFuture<'a, Outcome> {
        self.asked.fetch_add(1, Relaxed);
        let act = self.act.lock().unwrap().clone();
        Box::pin(async move {
            match act {
                Act::Say(value) => Ok(Answered::Vector(vec![value])),
                Act::Fail(text) => Err(text.to_owned()),
                Act::Hang => pending().await,
                Act::Slow(time) => {
                    sleep(time).await;
                    Ok(Answered::Vector(vec![0.0]))
                }
            }
        })
    }
}

impl Script {
    fn new(act: Act) -> Self {
        Self { act: Arc::new(Mutex::new(act)), opened: Arc::default(), asked: Arc::default() }
    }

    fn asker(&self, secrets: &Secrets) -> Asker {
        let script = self.clone();
        let open = move |_: &Prometheus| -> Arc<dyn Ask> {
            script.opened.fetch_add(1, Relaxed);
            Arc::new(script.clone())
        };
        Asker::with(secrets.clone(), Box::new(open), None)
    }

    fn now_does(&self, act: Act) {
        *self.act.lock().unwrap() = act;
    }

    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

fn policy(name: &str) -> ObjectName {
    ObjectName { namespace: "shop".to_owned(), name: name.to_owned() }
}

const SECOND: Duration = Duration::from_secs(1);

fn plan(queries: &[&str]) -> SignalPlan {
    let signal = |query: &&str| SignalSettings {
        name: format!("name of {query}"),
        query: (*query).to_owned(),
        thresholds: Thresholds::new(10.0, 100.0, 4.0).ok(),
    };
    SignalPlan {
        signals: queries.iter().map(signal).collect(),
        on_loss: OnSignalLoss::Hold,
        max_staleness: 120 * SECOND,
        prometheus: Some(Prometheus {
            url: "http://prom".to_owned(),
            interval: 15 * SECOND,
            timeout: 5 * SECOND,
            auth: Auth::None,
            ca: None,
            headers: Vec::new(),
        }),
    }
}

fn window() -> Arc<Window> {
    let settings = Settings::new(Bounds::new(1, 100).unwrap(), Algorithm::SignalAimd);
    Arc::new(Window::new(settings, 7))
}

/// Lets every task run that can, without letting time pass.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn pass(time: Duration) {
    settle().await;
    advance(time).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_shared_question_is_asked_once_at_once_and_then_each_interval() {
    let script = Script::new(Act::Say(30.0));
    let asker = script.asker(&Secrets::default());
    asker.follow(&policy("a"), &plan(&["x"]), vec![window()]);
    asker.follow(&policy("b"), &plan(&["x", "x"]), vec![window()]);
    settle().await;
    assert_eq!((script.opened.load(Relaxed), script.asked()), (1, 1));
    for name in ["a", "b"] {
        assert_eq!(asker.pressure(&policy(name)).allowance, 0.41111229050718745);
    }
    pass(14 * SECOND).await;
    assert_eq!(script.asked(), 1);
    pass(SECOND).await;
    assert_eq!(script.asked(), 2);
    // Another query shares the server, and other settings do not.
    asker.follow(&policy("c"), &plan(&["y"]), Vec::new());
    let mut other = plan(&["x"]);
    other.prometheus.as_mut().unwrap().interval = 5 * SECOND;
    asker.follow(&policy("d"), &other, Vec::new());
    settle().await;
    assert_eq!((script.opened.load(Relaxed), script.asked()), (2, 4));
    for name in ["c", "d", "a"] {
        asker.forget(&policy(name));
    }
    pass(15 * SECOND).await;
    assert_eq!(script.asked(), 5, "what nobody wants is not asked");
    assert_eq!(asker.reports(&policy("a")), []);
    asker.forget(&policy("b"));
    pass(60 * SECOND).await;
    assert_eq!(script.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_lost_signal_counts_at_once_even_while_the_server_hangs() {
    for (on_loss, allowance) in
        [(OnSignalLoss::Hold, 0.41111229050718745), (OnSignalLoss::Open, 1.0), (OnSignalLoss::Closed, 0.0)]
    {
        let script = Script::new(Act::Say(30.0));
        let asker = script.asker(&Secrets::default());
        let window = window();
        let plan = SignalPlan { on_loss, ..plan(&["x"]) };
        asker.follow(&policy("a"), &plan, vec![Arc::clone(&window)]);
        settle().await;
        script.now_does(Act::Hang);
        let mut changes = asker.changes();
        pass(120 * SECOND).await;
        assert!(!changes.has_changed().unwrap(), "{on_loss:?}");
        assert!(!asker.reports(&policy("a"))[0].lost);
        pass(Duration::from_millis(2)).await;
        assert!(changes.has_changed().unwrap(), "{on_loss:?}");
        changes.mark_unchanged();
        let report = asker.reports(&policy("a")).remove(0);
        assert!(report.lost && report.value.is_some(), "{report:?}");
        assert_eq!(asker.pressure(&policy("a")).allowance, allowance, "{on_loss:?}");
        assert_eq!(window.stats().pressure.allowance, allowance, "the window was told, {on_loss:?}");
        assert_eq!(script.asked(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_and_returns_is_believed_again() {
    let script = Script::new(Act::Fail("execute request: away"));
    let asker = script.asker(&Secrets::default());
    asker.follow(&policy("a"), &plan(&["x"]), vec![window()]);
    let mut changes = asker.changes();
    settle().await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let report = |asker: &Asker| asker.reports(&policy("a")).remove(0);
    assert_eq!((report(&asker).value, report(&asker).error.as_str()), (None, "execute request: away"));
    assert_eq!(asker.pressure(&policy("a")), Pressure::NONE, "who never answered has no say");
    for _ in 0..9 {
        pass(15 * SECOND).await;
    }
    assert!(report(&asker).lost, "silence from the start is a loss, too");
    script.now_does(Act::Say(1_000.0));
    changes.mark_unchanged();
    pass(15 * SECOND).await;
    assert!(changes.has_changed().unwrap());
    let back = report(&asker);
    assert!(!back.lost && back.error.is_empty(), "{back:?}");
    assert_eq!(asker.pressure(&policy("a")), Pressure { allowance: 0.0, firing: true });
    let stats = asker.readings().remove(0).stats;
    assert_eq!((stats.value, stats.failures), (Some(1_000.0), 10));
}

#[tokio::test(start_paused = true)]
async fn a_hot_change_neither_forgets_nor_asks_out_of_turn() {
    let script = Script::new(Act::Say(30.0));
    let asker = script.asker(&Secrets::default());
    asker.follow(&policy("a"), &plan(&["x"]), vec![window()]);
    pass(7 * SECOND).await;
    let next = SignalPlan { max_staleness: 10 * SECOND, ..plan(&["x"]) };
    let fresh = window();
    asker.follow(&policy("a"), &next, vec![Arc::clone(&fresh)]);
    settle().await;
    assert_eq!(script.asked(), 1);
    let report = asker.reports(&policy("a")).remove(0);
    assert_eq!(report.age, Some(crds::duration::GoDuration::from_secs(7)));
    assert_eq!(fresh.stats().pressure.allowance, 0.41111229050718745);
    // The new patience counts, from the old answer on.
    pass(3 * SECOND + Duration::from_millis(2)).await;
    assert!(asker.reports(&policy("a"))[0].lost);
    pass(5 * SECOND).await;
    assert_eq!(script.asked(), 2);
    assert!(!asker.reports(&policy("a"))[0].lost);
    // Without signals, nothing holds the window back.
    asker.follow(&policy("a"), &SignalPlan { prometheus: None, ..plan(&[]) }, vec![Arc::clone(&fresh)]);
    assert_eq!(fresh.stats().pressure.allowance, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_followed_by_no_burst() {
    let script = Script::new(Act::Slow(40 * SECOND));
    let asker = script.asker(&Secrets::default());
    asker.follow(&policy("a"), &plan(&["x"]), Vec::new());
    settle().await;
    script.now_does(Act::Say(0.0));
    pass(40 * SECOND).await;
    assert_eq!(script.asked(), 2, "the tick that was missed");
    pass(4 * SECOND).await;
    assert_eq!(script.asked(), 2);
    pass(SECOND).await;
    assert_eq!(script.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_comes_late_is_tried_at_once() {
    let (script, secrets) = (Script::new(Act::Fail("create request: no token")), Secrets::default());
    let asker = script.asker(&secrets);
    let key = SecretKey { namespace: "shop".into(), name: "prom".into(), key: "token".into() };
    let mut plan = plan(&["x"]);
    plan.prometheus.as_mut().unwrap().auth = Auth::Bearer(key.clone());
    asker.follow(&policy("a"), &plan, Vec::new());
    settle().await;
    script.now_does(Act::Say(1.0));
    secrets.set([(key.clone(), b"hunter2".to_vec())].into_iter().collect());
    settle().await;
    assert_eq!(script.asked(), 2);
    secrets.set([(key, b"hunter3".to_vec())].into_iter().collect());
    settle().await;
    assert_eq!(script.asked(), 2, "what is answered waits for its turn");
    assert!(!format!("{asker:?}").contains("hunter"));
}

#[tokio::test(start_paused = true)]
async fn with_the_last_asker_the_asking_ends() {
    let script = Script::new(Act::Say(1.0));
    let asker = script.asker(&Secrets::default());
    let clone = asker.clone();
    asker.follow(&policy("a"), &plan(&["x"]), vec![window()]);
    drop(asker);
    pass(15 * SECOND).await;
    assert_eq!(script.asked(), 2);
    drop(clone);
    pass(150 * SECOND).await;
    assert_eq!(script.asked(), 2);
}

#[tokio::test]
async fn a_real_server_that_comes_goes_and_returns_is_followed() {
    const BODY: &str =
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"100"]}]}}"#;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let serve = |listener: tokio::net::TcpListener| async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let text = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{BODY}");
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
    };
    let asker = Asker::new(Secrets::default());
    let mut changes = asker.changes();
    let mut plan = plan(&["x"]);
    let prometheus = plan.prometheus.as_mut().unwrap();
    prometheus.url = format!("http://{address}");
    prometheus.interval = Duration::from_millis(20);
    asker.follow(&policy("a"), &plan, vec![window()]);
    let failing = |asker: &Asker| !asker.reports(&policy("a"))[0].error.is_empty();
    changes.wait_for(|_| failing(&asker)).await.unwrap();
    assert!(
        asker.reports(&policy("a"))[0].error.starts_with("execute request: cannot connect to http://127")
    );
    for _ in 0..2 {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let server = AbortOnDropHandle::new(tokio::spawn(serve(listener)));
        changes.wait_for(|_| !failing(&asker)).await.unwrap();
        assert_eq!(asker.pressure(&policy("a")), Pressure { allowance: 0.0, firing: true });
        drop(server);
        changes.wait_for(|_| failing(&asker)).await.unwrap();
        assert!(asker.pressure(&policy("a")).firing, "what it said last still stands");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_nothing_is_no_busy_loop() {
    let script = Script::new(Act::Say(1.0));
    let asker = script.asker(&Secrets::default());
    let mut hasty = plan(&["x"]);
    hasty.prometheus.as_mut().unwrap().interval = Duration::ZERO;
    asker.follow(&policy("a"), &hasty, Vec::new());
    let mut never = plan(&["y"]);
    never.prometheus.as_mut().unwrap().interval = Duration::MAX;
    never.max_staleness = Duration::MAX;
    asker.follow(&policy("b"), &never, Vec::new());
    settle().await;
    assert_eq!(script.asked(), 2);
    pass(Duration::from_millis(10)).await;
    assert_eq!(script.asked(), 3);
}
