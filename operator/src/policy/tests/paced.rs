//! What goes to and fro, and is written and told seldom all the same.

use super::*;

/// What a pod says on one side of a swing, and on the other; each cut is another than the last.
fn side(swing: u32) -> PolicyReport {
    if swing.is_multiple_of(2) {
        cut(64 + i64::from(swing % 30), &format!("0.{}", 64 + swing % 30))
    } else {
        report(json!({}))
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_swings_is_told_ever_more_seldom_and_its_last_state_is_written() {
    let mut scene = Scene::new();
    scene.pods(&[report(json!({}))]);
    assert!(scene.run().await.0);
    let (mut written, mut told) = (Vec::new(), Vec::new());
    for minute in 0..10 {
        written.push(0);
        for swing in 0..200 {
            tokio::time::advance(Duration::from_millis(300)).await;
            scene.pods(&[side(minute * 200 + swing)]);
            if scene.run().await.0 {
                scene.see();
                *written.last_mut().unwrap() += 1;
            }
        }
        let all = scene.times_told("ThrottlingStarted") + scene.times_told("ThrottlingEnded");
        told.push(all - told.iter().sum::<u64>());
    }
    // A few at once, and then after ever longer waits. Numbers are written between them, as ever.
    assert!((5..=8).contains(&told[0]) && told[2..].iter().all(|told| *told <= 1), "{told:?}");
    assert!(written.iter().all(|written| *written <= 12), "{written:?}");
    // It comes to rest, wherever that is: nobody has to wake the policy once more.
    for (swing, last) in [(1, "False WindowOpen"), (2, "True WindowCut")] {
        scene.pods(&[side(swing)]);
        let (wrote, action) = scene.run().await;
        if scene.condition("Throttling").0 != last {
            assert!(!wrote && action != Action::await_change(), "{last}");
            tokio::time::advance(pace::LONGEST).await;
            assert_eq!(scene.run().await, (true, Action::await_change()));
        }
        assert_eq!(scene.condition("Throttling").0, last);
        scene.see();
    }
    assert_eq!(scene.times_told("ThrottlingStarted"), scene.times_told("ThrottlingEnded") + 1);
    // What is no swing is not held up by one.
    scene.pin(Progress::Waiting { reason: Reason::NotServed, message: "why".into() }, None, None);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(scene.run().await.0);
    assert_eq!(scene.condition("Programmed").0, "False NotServed");
    scene.see();
    // After a calm time all is as at first.
    tokio::time::advance(pace::CALM).await;
    for swing in 0..4 {
        scene.pods(&[side(swing)]);
        assert!(scene.run().await.0, "{swing}");
        scene.see();
    }
}

#[tokio::test(start_paused = true)]
async fn a_beginning_is_told_in_words_that_stay_the_same() {
    for allowance in ["0.641", "0.2"] {
        let scene = Scene::new();
        scene.pods(&[cut(64, allowance)]);
        let object = scene.scenario.context.caches.policies.get(&name("search")).unwrap();
        let policy = object.0.as_ref().unwrap();
        let verdict = scene.scenario.context.board.verdict(&name("main"), &Source::Policy(name("search")));
        let outlook = Outlook {
            generation: Some(1),
            findings: [ConditionType::Accepted, ConditionType::Programmed]
                .map(|kind| conditions::Finding::new(kind, true, Reason::Accepted, "")),
            revision: None,
            measured: verdict.unwrap().measured,
            now: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(clock::now()),
        };
        let Speech::Say(saying) = policy.speak(&outlook, &scene.scenario.context) else { panic!("silence") };
        let message = |conditions: &[Condition]| {
            conditions::find(conditions, ConditionType::Throttling).unwrap().message.clone()
        };
        assert_eq!(message(&saying.after), "the window is cut, by errors");
        let shown = format!("the window is cut to {allowance} of its size, by errors");
        assert_eq!(message(&saying.status.conditions), shown);
    }
}

#[tokio::test(start_paused = true)]
async fn other_words_beside_accepted_are_written_now_and_then() {
    let mut scene = Scene::new();
    let pin = |scene: &Scene, caution| {
        scene.pin(Progress::InForce { revision: "r1".into() }, caution, None);
    };
    pin(&scene, None);
    assert!(scene.run().await.0);
    scene.see();
    let mut written = 0;
    for second in 0..60 {
        tokio::time::advance(Duration::from_secs(1)).await;
        pin(&scene, [None, Some("slow down"), Some("etcd is away")][second % 3]);
        if scene.run().await.0 {
            scene.see();
            written += 1;
        }
    }
    assert!((3..=7).contains(&written), "{written}");
    pin(&scene, Some("the last"));
    let (_, action) = scene.run().await;
    assert_ne!(action, Action::await_change());
    tokio::time::advance(numbers::MOVED).await;
    assert!(scene.run().await.0);
    assert!(scene.condition("Accepted").1.ends_with("; the last"));
}
