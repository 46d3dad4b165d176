//! A limit changes: it is in force on every pod soon, `Programmed` says so after that and not before, and
//! nothing restarts.

use std::time::{Duration, Instant};

use e2e::kube::awaiting::until;
use e2e::kube::connection::say;
use e2e::kube::daemons::{self, Daemon};
use e2e::kube::objects::holds;
use e2e::kube::place::{Place, SOON};
use e2e::kube::story::{Turn, quiet, story};
use futures_util::future::{join, join_all};
use serde_json::json;

const CHANGES: i64 = 50;
const PODS: usize = 3;

#[tokio::test]
async fn fifty_changes_are_in_force_everywhere_before_the_status_says_so() {
    story(Turn::Alone, "travel", async |place| {
        quiet(&place.client).await;
        place.cluster("main", json!({"replicas": PODS})).await;
        place.limit("moving", json!({"limit": 1})).await;
        let daemons = daemons::all(&place, "main", PODS).await;
        place.programmed("moving").await;
        place.ready("main").await;
        let lives = daemons::lives(&place, "main").await;

        let mut times = Vec::new();
        for limit in 2..CHANGES + 2 {
            times.push(change(&place, &daemons, limit).await);
        }

        assert_eq!(daemons::lives(&place, "main").await, lives, "a change of a limit restarts nothing");
        times.sort_unstable();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        say(&format!(
            "limits travel: {CHANGES} changes, from apply to in force on {PODS} pods: median {} ms, worst {} ms",
            median.as_millis(),
            worst.as_millis()
        ));
    })
    .await;
}

/// Applies the limit; returns how long it took until every pod answered with it.
async fn change(place: &Place, daemons: &[Daemon], limit: i64) -> Duration {
    let began = Instant::now();
    let applied = place.limit("moving", json!({"limit": limit})).await;
    let generation = applied.metadata.generation;
    let in_force = async {
        join_all(daemons.iter().map(|daemon| daemon.declares("moving", limit))).await;
        began.elapsed()
    };
    let programmed = async {
        let api = place.api("RateLimit");
        until(&api, "moving", "it is programmed", SOON, |object| {
            let found = holds(object, "Programmed", "True")?;
            if found.generation == generation { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
        // Asked once, and only now: what the status says must be so already.
        for daemon in daemons {
            let answer = daemon.hit("moving", "somebody", 0).await;
            assert_eq!(answer.limit, limit, "{}: Programmed was true too early", daemon.name);
        }
    };
    join(in_force, programmed).await.0
}
