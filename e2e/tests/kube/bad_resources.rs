//! What is wrong is refused at apply, or told in the status, in words that say what to do.

use std::time::Duration;

use e2e::kube::awaiting::{eventually, until};
use e2e::kube::objects::{api_version, condition};
use e2e::kube::place::{FIELD_MANAGER, Place, SOON, cluster};
use e2e::kube::story::{Turn, story};
use kube::api::{Patch, PatchParams, ValidationDirective};
use kube::core::DynamicObject;
use serde_json::{Value, json};

mod clusters;
mod rules;

/// Asks the API server whether it would take an object, as kubectl asks: fields that no definition knows are
/// refused too.
async fn dry_run(place: &Place, object: Value) -> Result<DynamicObject, String> {
    let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
    let params = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply(FIELD_MANAGER).force()
    };
    let answer = place.api(kind).patch(name, &params, &Patch::Apply(&object)).await;
    answer.map_err(|error| match error {
        kube::Error::Api(status) => status.message.clone(),
        error => panic!("{kind} {name}: {error}"),
    })
}

/// A BackpressurePolicy of the cluster `main` that breaks no rule.
fn policy(name: &str, port: u16) -> Value {
    json!({
        "apiVersion": api_version("BackpressurePolicy"),
        "kind": "BackpressurePolicy",
        "metadata": {"name": name},
        "spec": {
            "clusterRef": {"name": "main"},
            "listener": {"port": port},
            "upstream": {"url": "http://search:80"},
            "window": {"min": 10, "max": 200},
            "signals": [{"name": "errors", "query": "up", "warning": "0.5", "emergency": 1}],
            "prometheus": {"url": "http://prometheus:9090"},
        },
    })
}

/// Awaits that an object says Accepted, of its present generation, with this status and reason; returns the
/// message.
pub(super) async fn accepted(
    place: &Place,
    (kind, name): (&str, &str),
    (status, reason): (&str, &str),
) -> String {
    let what = format!("{kind} {name} says Accepted={status}, {reason}");
    until(&place.api(kind), name, &what, SOON, |object| {
        let object = object.ok_or("it is not there")?;
        match condition(object, "Accepted") {
            Some(found)
                if (found.status.as_str(), found.reason.as_str()) == (status, reason)
                    && found.generation == object.metadata.generation =>
            {
                Ok(found.message)
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// Awaits that what is made now is younger than this object. Ages are whole seconds, and of two that are as
/// old the name decides.
pub(super) async fn a_second_after(place: &Place, older: &DynamicObject, candidate: &Value) {
    let born = &older.metadata.creation_timestamp;
    eventually("the next second", Duration::from_secs(5), async || {
        let would_be = dry_run(place, candidate.clone()).await?;
        let at = &would_be.metadata.creation_timestamp;
        if at > born { Ok(()) } else { Err(format!("{at:?}, and the older is of {born:?}")) }
    })
    .await;
}

#[tokio::test]
async fn of_two_limits_with_one_name_the_older_holds_it_until_it_goes() {
    story(Turn::Shared, "conflict", async |place| {
        place.cluster("main", json!({"replicas": 0})).await;
        // By its name it would come last.
        let older = place.limit("zulu", json!({"name": "checkout"})).await;
        accepted(&place, ("RateLimit", "zulu"), ("True", "Accepted")).await;
        let younger = e2e::kube::place::limit("alpha", json!({"name": "checkout", "limit": 9}));
        a_second_after(&place, &older, &younger).await;
        place.apply(younger).await;
        let told = accepted(&place, ("RateLimit", "alpha"), ("False", "Conflicted")).await;
        let winner = format!("{}/zulu", place.namespace);
        assert_eq!(
            told,
            format!("the name \"checkout\" is already held by {winner}, which is older or sorts first")
        );
        accepted(&place, ("RateLimit", "zulu"), ("True", "Accepted")).await;
        let event = ("Warning", "Conflicted", "alpha");
        eventually("an event tells of it", SOON, async || tells(&place, event, &winner).await).await;

        place.delete("RateLimit", "zulu").await;
        accepted(&place, ("RateLimit", "alpha"), ("True", "Accepted")).await;
    })
    .await;
}

/// Whether an event of this type and reason about this object has `text` in it.
async fn tells(place: &Place, (kind, reason, about): (&str, &str, &str), text: &str) -> Result<(), String> {
    let events = place.api("Event").list(&Default::default()).await.map_err(|error| error.to_string())?;
    let found = events.items.iter().any(|event| {
        let field = |pointer| event.data.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        (field("/type"), field("/reason"), field("/regarding/name")) == (kind, reason, about)
            && field("/note").contains(text)
    });
    if found { Ok(()) } else { Err(format!("{} other events", events.items.len())) }
}

#[tokio::test]
async fn a_limit_that_takes_another_name_leaves_its_old_one_to_others() {
    story(Turn::Shared, "rename", async |place| {
        place.cluster("main", json!({"replicas": 0})).await;
        let older = place.limit("first", json!({"name": "checkout"})).await;
        let younger = e2e::kube::place::limit("second", json!({"name": "checkout"}));
        a_second_after(&place, &older, &younger).await;
        place.apply(younger).await;
        accepted(&place, ("RateLimit", "second"), ("False", "Conflicted")).await;
        place.limit("first", json!({"name": "search"})).await;
        accepted(&place, ("RateLimit", "second"), ("True", "Accepted")).await;
        // And the older takes it back from whoever has it meanwhile.
        place.limit("first", json!({"name": "checkout"})).await;
        let told = accepted(&place, ("RateLimit", "second"), ("False", "Conflicted")).await;
        assert!(told.contains(&format!("{}/first", place.namespace)), "{told}");
    })
    .await;
}

#[tokio::test]
async fn two_policies_cannot_have_one_port() {
    story(Turn::Shared, "port", async |place| {
        place.cluster("main", json!({"replicas": 0})).await;
        let older = place.apply(policy("first", 8_080)).await;
        a_second_after(&place, &older, &policy("second", 8_080)).await;
        place.apply(policy("second", 8_080)).await;
        let told = accepted(&place, ("BackpressurePolicy", "second"), ("False", "Conflicted")).await;
        let winner = format!("{}/first", place.namespace);
        assert_eq!(told, format!("the port 8080 is already held by {winner}, which is older or sorts first"));
        accepted(&place, ("BackpressurePolicy", "first"), ("True", "Accepted")).await;
        place.apply(policy("second", 8_081)).await;
        accepted(&place, ("BackpressurePolicy", "second"), ("True", "Accepted")).await;
    })
    .await;
}

#[tokio::test]
async fn what_names_a_cluster_that_is_not_there_waits_for_it() {
    story(Turn::Shared, "nowhere", async |place| {
        place.limit("checkout", json!({})).await;
        place.apply(policy("search", 8_080)).await;
        let missing = format!(
            "there is no RateLimitCluster {}/main: create it, or correct spec.clusterRef",
            place.namespace
        );
        for object in [("RateLimit", "checkout"), ("BackpressurePolicy", "search")] {
            assert_eq!(accepted(&place, object, ("False", "TargetNotFound")).await, missing);
        }
        place.apply(cluster("main", json!({"replicas": 0}))).await;
        for object in [("RateLimit", "checkout"), ("BackpressurePolicy", "search")] {
            accepted(&place, object, ("True", "Accepted")).await;
        }
        place.delete("RateLimitCluster", "main").await;
        assert_eq!(accepted(&place, ("RateLimit", "checkout"), ("False", "TargetNotFound")).await, missing);
    })
    .await;
}
