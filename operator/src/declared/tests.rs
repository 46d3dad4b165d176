use crds::{fold::Outcome, reference::ObjectName};
use jiff::Timestamp;

use super::*;

const REVISION: &str = "6f1c2a9b00000000";

struct Scene {
    cluster: ObjectName,
    conditions: Vec<Condition>,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        let cluster = ObjectName { namespace: "edge".into(), name: "main".into() };
        Self { cluster, conditions: Vec::new(), now: clock::instant() }
    }

    /// What it says already, of `generation`.
    fn said(mut self, programmed: Truth, generation: i64) -> Self {
        let findings = [
            Finding::new(ConditionType::Accepted, true, Reason::Accepted, ""),
            Finding::new(ConditionType::Programmed, programmed, Reason::Programmed, ""),
        ];
        self.conditions = conditions::merge(&[], &findings, Some(generation), &Time(Timestamp::UNIX_EPOCH));
        self
    }

    fn judge(&self, exists: bool, verdict: Option<&Verdict>, age: Duration) -> Judgement {
        judge(&Known {
            generation: Some(2),
            conditions: &self.conditions,
            revision: Some("an older one"),
            cluster: (&self.cluster, exists),
            verdict,
            age,
            now: self.now,
        })
    }

    fn verdict(&self, outcome: Outcome, in_force: bool, ago: Duration) -> Verdict {
        let progress = if in_force {
            Progress::InForce { revision: REVISION.into() }
        } else {
            Progress::Waiting { reason: Reason::Pending, message: "main-1 is late".into() }
        };
        let since = self.now.checked_sub(ago).unwrap();
        Verdict::new(Some(2), outcome, progress, since)
    }
}

fn said(judgement: Judgement) -> [(Truth, Reason, String); 2] {
    match judgement {
        Judgement::Say { findings, .. } => findings.map(|found| (found.status, found.reason, found.message)),
        other => panic!("says nothing: {other:?}"),
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_there_is_named() {
    let [accepted, programmed] = said(Scene::new().judge(false, None, Duration::ZERO));
    assert_eq!((accepted.0, accepted.1), (Truth::False, Reason::TargetNotFound));
    assert!(accepted.2.contains("edge/main"), "{}", accepted.2);
    assert_eq!((programmed.0, programmed.1), (Truth::False, Reason::TargetNotFound));
}

#[tokio::test(start_paused = true)]
async fn a_new_object_is_first_said_to_be_pending_and_then_in_force() {
    let scene = Scene::new();
    let [accepted, programmed] =
        said(scene.judge(true, Some(&scene.verdict(Outcome::Accepted, false, Duration::ZERO)), LONG));
    assert_eq!((accepted.0, programmed.0), (Truth::True, Truth::False));
    assert_eq!(programmed.2, "main-1 is late");
    let judgement = scene.judge(true, Some(&scene.verdict(Outcome::Accepted, true, Duration::ZERO)), LONG);
    let Judgement::Say { findings, revision } = judgement else { panic!("waits") };
    assert_eq!((findings[1].status, findings[1].reason), (Truth::True, Reason::Programmed));
    assert_eq!(revision.as_deref(), Some(REVISION));
}

#[tokio::test(start_paused = true)]
async fn a_change_on_its_way_is_given_half_a_second() {
    let scene = Scene::new().said(Truth::True, 1);
    let fresh = scene.verdict(Outcome::Accepted, false, Duration::from_millis(100));
    assert_eq!(scene.judge(true, Some(&fresh), LONG), Judgement::Wait(Duration::from_millis(400)));
    let old = scene.verdict(Outcome::Accepted, false, ON_ITS_WAY);
    assert_eq!(said(scene.judge(true, Some(&old), LONG))[1].0, Truth::False);
}

#[tokio::test(start_paused = true)]
async fn what_was_in_force_is_not_doubted_at_once() {
    let scene = Scene::new().said(Truth::True, 2);
    let fresh = scene.verdict(Outcome::Accepted, false, Duration::ZERO);
    assert_eq!(scene.judge(true, Some(&fresh), LONG), Judgement::Wait(DOUBT));
    let old = scene.verdict(Outcome::Accepted, false, DOUBT);
    assert_eq!(said(scene.judge(true, Some(&old), LONG))[1].0, Truth::False);
}

#[tokio::test(start_paused = true)]
async fn the_revision_stays_with_what_stays_in_force() {
    let again = Scene::new().said(Truth::True, 2);
    let verdict = again.verdict(Outcome::Accepted, true, LONG);
    let Judgement::Say { revision, .. } = again.judge(true, Some(&verdict), LONG) else { panic!("waits") };
    assert_eq!(revision.as_deref(), Some("an older one"));
    let changed = Scene::new().said(Truth::True, 1);
    let Judgement::Say { revision, .. } = changed.judge(true, Some(&verdict), LONG) else { panic!("waits") };
    assert_eq!(revision.as_deref(), Some(REVISION));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_its_reason_twice_and_its_words_once() {
    let scene = Scene::new();
    let winner = ObjectName { namespace: "edge".into(), name: "older".into() };
    let outcome = Outcome::Conflicted { winner, claim: "the name \"a\"".into() };
    let [accepted, programmed] = said(scene.judge(true, Some(&scene.verdict(outcome, false, LONG)), LONG));
    assert_eq!((accepted.0, accepted.1), (Truth::False, Reason::Conflicted));
    assert!(accepted.2.contains("edge/older"), "{}", accepted.2);
    assert_eq!((programmed.0, programmed.1), (Truth::False, Reason::Conflicted));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_on_another_generation_is_none() {
    let scene = Scene::new();
    let mut verdict = scene.verdict(Outcome::Accepted, true, LONG);
    verdict.generation = Some(1);
    assert_eq!(scene.judge(true, Some(&verdict), Duration::ZERO), Judgement::Wait(DOUBT));
    assert_eq!(said(scene.judge(true, Some(&verdict), LONG))[0].0, Truth::Unknown);
}
