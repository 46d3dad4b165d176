//! What is in a namespace, for whoever reads why a test failed.

use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{ListParams, LogParams};
use kube::core::DynamicObject;

use super::{operator, place::Place};

/// How long looking may take.
const LONGEST: Duration = Duration::from_secs(30);
/// Lines of each pod's log.
const LOG_LINES: i64 = 25;
/// Objects of a kind, and events.
const SHOWN: usize = 25;

/// Pods, statuses, events and the ends of logs of a namespace, and what the operator logged of it.
pub async fn of(place: &Place) -> String {
    let mut text = format!("---- what is in the namespace {} ----\n", place.namespace);
    let looked = tokio::time::timeout(LONGEST, async {
        pods(place, &mut text).await;
        for kind in ["RateLimitCluster", "RateLimit", "BackpressurePolicy", "StatefulSet"] {
            statuses(place, kind, &mut text).await;
        }
        events(place, &mut text).await;
        operators(place, &mut text).await;
    });
    if looked.await.is_err() {
        let _ = writeln!(text, "(looking took longer than {LONGEST:?})");
    }
    text
}

async fn pods(place: &Place, text: &mut String) {
    let pods = match place.typed::<Pod>().list(&ListParams::default()).await {
        Ok(pods) => pods.items,
        Err(error) => {
            let _ = writeln!(text, "pods: {error}");
            return;
        }
    };
    for pod in pods {
        let name = pod.name_any();
        let status = pod.status.unwrap_or_default();
        let _ = writeln!(text, "pod {name}: {} {:?}", status.phase.unwrap_or_default(), status.message);
        for container in status.container_statuses.unwrap_or_default() {
            let (ready, restarts, state) = (container.ready, container.restart_count, container.state);
            let _ = writeln!(text, "  {}: ready {ready}, {restarts} restarts, {state:?}", container.name);
            if let Some(last) = container.last_state {
                let _ = writeln!(text, "  before: {last:?}");
            }
        }
        let tail = LogParams { tail_lines: Some(LOG_LINES), ..LogParams::default() };
        match place.typed::<Pod>().logs(&name, &tail).await {
            Ok(log) => indent(log.lines(), text),
            Err(error) => indent([format!("no log: {error}").as_str()], text),
        }
    }
}

fn indent<'a>(lines: impl IntoIterator<Item = &'a str>, text: &mut String) {
    for line in lines {
        let _ = writeln!(text, "  | {line}");
    }
}

async fn statuses(place: &Place, kind: &str, text: &mut String) {
    let Ok(objects) = place.api(kind).list(&ListParams::default()).await else { return };
    for object in objects.items.iter().take(SHOWN) {
        let generation = object.metadata.generation.unwrap_or_default();
        let _ = writeln!(text, "{kind} {} ({generation}): {}", object.name_any(), object.data["status"]);
    }
    if objects.items.len() > SHOWN {
        let _ = writeln!(text, "… and {} more", objects.items.len() - SHOWN);
    }
}

async fn events(place: &Place, text: &mut String) {
    let Ok(mut events) = place.api("Event").list(&ListParams::default()).await else { return };
    events.items.sort_by_key(|event| event.metadata.creation_timestamp.clone());
    let from = events.items.len().saturating_sub(SHOWN);
    for event in &events.items[from..] {
        let _ = writeln!(text, "event {}", said(event));
    }
}

fn said(event: &DynamicObject) -> String {
    let field =
        |pointer: &str| event.data.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
    let about = format!("{} {}", field("/regarding/kind"), field("/regarding/name"));
    format!("{} {about}: {}: {}", field("/type"), field("/reason"), field("/note"))
}

async fn operators(place: &Place, text: &mut String) {
    for pod in operator::all(&place.client).await {
        let log = operator::log(&place.client, &pod, 2_000).await;
        let about = log.lines().filter(|line| line.contains(&place.namespace));
        // The spans repeat what the fields say.
        let about: Vec<&str> =
            about.map(|line| line.split_once(r#","target""#).map_or(line, |(said, _)| said)).collect();
        let from = about.len().saturating_sub(SHOWN);
        let _ = writeln!(text, "operator {pod}, of this namespace:");
        indent(about[from..].iter().copied(), text);
    }
}
