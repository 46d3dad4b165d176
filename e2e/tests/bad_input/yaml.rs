//! Manifests with mistakes, as `check` and `standalone` meet them.

use e2e::launch::{Ended, Launch};

use crate::manifests::{Manifests, cluster, limit};

/// EX_DATAERR: a manifest is wrong.
const BAD_MANIFESTS: Option<i32> = Some(65);

async fn check(manifests: &Manifests) -> Ended {
    Launch::with(&["check", "-f"]).arg(manifests.folder()).run().await
}

/// What a mistake must be told with: the file and these words.
async fn assert_refused(document: &str, words: &[&str]) {
    let manifests = Manifests::new();
    manifests.write("cluster.yaml", &cluster(1, &[]));
    manifests.write("limits.yaml", document);
    let checked = check(&manifests).await;
    let said = format!("{}{}", checked.stdout, checked.stderr);
    assert_eq!(checked.code, BAD_MANIFESTS, "{document}\n{said}");
    for word in ["limits.yaml"].iter().chain(words) {
        assert!(said.contains(word), "lacks {word:?}: {said}");
    }
    let started = manifests.standalone(1).run().await;
    assert_eq!(started.code, BAD_MANIFESTS, "{document}\n{}", started.stderr);
    assert!(!started.stderr.contains("panicked"), "{}", started.stderr);
}

#[tokio::test]
async fn good_manifests_pass() {
    let manifests = Manifests::cluster(3, &[], &[&limit("checkout", &["limit: 5", "duration: 1m"])]);
    let ended = check(&manifests).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[tokio::test]
async fn the_examples_of_the_repository_pass() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let mut checked = 0;
    for entry in std::fs::read_dir(examples).expect("a folder of examples") {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let ended = Launch::with(&["check", "-f"]).arg(&path).run().await;
            assert_eq!(ended.code, Some(0), "{}: {}{}", path.display(), ended.stdout, ended.stderr);
            checked += 1;
        }
    }
    assert!(checked > 0, "{examples} has manifests");
}

#[tokio::test]
async fn a_wrong_type_is_told() {
    assert_refused(&limit("checkout", &["limit: many", "duration: 1m"]), &["spec.limit"]).await;
    assert_refused(&limit("checkout", &["limit: [5]", "duration: 1m"]), &["spec.limit"]).await;
    assert_refused(&limit("checkout", &["limit: 5", "duration: {}"]), &["spec.duration"]).await;
}

#[tokio::test]
async fn what_is_no_number_is_no_limit() {
    for limit_text in [".nan", ".inf", "1.5", "-1", "99999999999999999999"] {
        let line = format!("limit: {limit_text}");
        assert_refused(&limit("checkout", &[&line, "duration: 1m"]), &["limit"]).await;
    }
}

#[tokio::test]
async fn unknown_fields_and_kinds_are_told() {
    let misspelt = limit("checkout", &["limit: 5", "duration: 1m", "bursts: 7"]);
    assert_refused(&misspelt, &["bursts"]).await;
    let kind = limit("checkout", &["limit: 5", "duration: 1m"]).replace("RateLimit", "RateLimiter");
    assert_refused(&kind, &["RateLimiter"]).await;
    let version = limit("checkout", &["limit: 5", "duration: 1m"]).replace("v1alpha1", "v9");
    assert_refused(&version, &["v9"]).await;
    let value = limit("checkout", &["limit: 5", "duration: 1m", "algorithm: SlidingDoor"]);
    assert_refused(&value, &["SlidingDoor", "TokenBucket"]).await;
}

#[tokio::test]
async fn what_contradicts_itself_is_told() {
    let both = limit("checkout", &["limit: 5", "duration: 1m", "calendar: Day"]);
    assert_refused(&both, &["duration", "calendar"]).await;
    assert_refused(&limit("checkout", &["limit: 5"]), &["duration", "calendar"]).await;
    assert_refused(&limit("checkout", &["duration: 1m"]), &["limit"]).await;
    let twice = limit("checkout", &["limit: 5", "duration: 1m"]);
    assert_refused(&format!("{twice}---\n{twice}"), &["checkout"]).await;
}

#[tokio::test]
async fn check_lists_every_problem() {
    let manifests = Manifests::new();
    manifests.write("cluster.yaml", &cluster(1, &["hash: MD5"]));
    let first = limit("first", &["limit: many", "duration: 1m"]);
    let second = limit("second", &["limit: 5", "duration: soon"]);
    let third = limit("third", &["limit: 5", "duration: 1m"]);
    manifests.write("limits.yaml", &format!("{first}---\n{second}---\n{third}"));
    let ended = check(&manifests).await;
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, BAD_MANIFESTS, "{said}");
    for word in ["cluster.yaml", "spec.hash", "limits.yaml", "spec.limit", "spec.duration", "soon"] {
        assert!(said.contains(word), "lacks {word:?}: {said}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_told() {
    let ended = Launch::with(&["check", "-f", "absent/limits.yaml"]).run().await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("absent/limits.yaml"), "{}", ended.stderr);
}
