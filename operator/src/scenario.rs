//! An API server in memory, for tests of the spine: it keeps what is applied, and remembers every call.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::{
    Client, Resource,
    client::Body,
    core::{DynamicObject, ObjectMeta},
    runtime::{reflector::store::Writer, watcher::Event},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    cluster::validate::Environment,
    context::{Context, Parts, lock},
    control::streams::{self, AllWriters},
    events::Events,
    fingerprint,
    metrics::Metrics,
    reports::Reports,
    wake::{ScopeWoken, Wakes},
};

/// What the server keeps, by path, and what was asked of it.
#[derive(Debug, Default)]
struct Kept {
    objects: BTreeMap<String, Value>,
    calls: Vec<String>,
    bodies: Vec<Value>,
    faults: HashMap<String, (u16, &'static str)>,
}

/// The operator's view on such a server.
pub(crate) struct Scenario {
    kept: Arc<Mutex<Kept>>,
    pub(crate) context: Arc<Context>,
    pub(crate) writers: AllWriters,
    pub(crate) woken: ScopeWoken,
}

impl Scenario {
    /// A server with nothing in it, and caches that have seen as much.
    pub(crate) fn new(environment: Environment) -> Self {
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let served = Arc::clone(&kept);
        let service = tower::service_fn(move |request: Request<Body>| {
            let kept = Arc::clone(&served);
            async move { Ok::<_, Infallible>(serve(&kept, request).await) }
        });
        let client = Client::new(service, "default");
        let metrics = Arc::new(Metrics::new().unwrap());
        let (caches, mut writers) = streams::caches(&[None], environment.service_monitor);
        let (wakes, mut woken) = Wakes::new(&[None]);
        let (news, _) = tokio::sync::mpsc::channel(1);
        let reports = Reports::new(news, Arc::clone(&metrics));
        let events = Events::start(client.clone(), "test".into(), Arc::clone(&metrics));
        let context = Context::new(Parts { client, environment, caches, reports, events, metrics, wakes });
        fill(&mut writers.clusters);
        fill(&mut writers.limits);
        fill(&mut writers.policies);
        fill(&mut writers.namespaces);
        fill(&mut writers.stateful_sets);
        fill(&mut writers.pods);
        for (_, writers) in &mut writers.children {
            fill(writers);
        }
        Self { kept, context: Arc::new(context), writers, woken: woken.remove(0) }
    }

    /// The calls since the last time, those about Events left out: `PATCH services/main`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let mut kept = lock(&self.kept);
        kept.bodies.clear();
        std::mem::take(&mut kept.calls)
    }

    /// The body of the last call that was `call`.
    pub(crate) fn body(&self, call: &str) -> Value {
        let kept = lock(&self.kept);
        let index = kept.calls.iter().rposition(|made| made == call);
        index.map_or(Value::Null, |index| kept.bodies[index].clone())
    }

    /// From now on `call` is answered so.
    pub(crate) fn fails(&self, call: &str, code: u16, message: &'static str) {
        lock(&self.kept).faults.insert(call.to_owned(), (code, message));
    }

    /// From now on nothing fails.
    pub(crate) fn heals(&self) {
        lock(&self.kept).faults.clear();
    }

    /// Puts an object there, as somebody else would.
    pub(crate) fn put(&self, path: &str, object: Value) {
        lock(&self.kept).objects.insert(path.to_owned(), object);
    }

    /// From now on something that is no object is answered so.
    pub(crate) fn serves(&self, path: &str, answer: Value) {
        self.put(path, answer);
    }

    /// An object that is there.
    pub(crate) fn object(&self, path: &str) -> Value {
        lock(&self.kept).objects.get(path).cloned().unwrap_or_default()
    }

    /// Lets the caches see all that was made.
    pub(crate) fn see(&mut self) {
        let objects = lock(&self.kept).objects.clone();
        for (path, object) in objects {
            let plural = path.split('/').next().unwrap_or_default();
            if plural == "statefulsets" {
                see(&mut self.writers.stateful_sets, object.clone());
            }
            for (resource, writers) in &mut self.writers.children {
                if resource.plural == plural {
                    let mut object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
                    fingerprint::trim(&mut object);
                    writers[0].1.apply_watcher_event(&Event::Apply(object));
                }
            }
        }
    }
}

/// Lets a cache see an object.
pub(crate) fn see<K>(writers: &mut [(Option<String>, Writer<K>)], object: Value)
where
    K: Resource + Clone + DeserializeOwned + 'static,
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    writers[0].1.apply_watcher_event(&Event::Apply(serde_json::from_value(object).unwrap()));
}

fn fill<K>(writers: &mut [(Option<String>, Writer<K>)])
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + std::hash::Hash + Clone,
{
    for (_, writer) in writers {
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
    }
}

async fn serve(kept: &Mutex<Kept>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = head.uri.path();
    // …/namespaces/edge/services/main is `services/main` here.
    let place = path
        .split_once("/namespaces/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or(path, |(_, rest)| rest);
    if place.starts_with("events") {
        return answer(201, &body);
    }
    let mut kept = lock(kept);
    let call = format!("{} {place}", head.method);
    kept.calls.push(call.clone());
    kept.bodies.push(body.clone());
    if let Some((code, message)) = kept.faults.get(&call) {
        return refuse(*code, message);
    }
    match head.method {
        Method::PATCH if place.ends_with("/status") => {
            let place = place.trim_end_matches("/status").to_owned();
            let object = kept.objects.entry(place).or_insert_with(|| body.clone());
            object["status"] = body["status"].clone();
            answer(200, object)
        }
        Method::PATCH => {
            let mut object = body;
            let before = kept.objects.get(place);
            let generation = before.and_then(|before| before["metadata"]["generation"].as_i64()).unwrap_or(0);
            let changed = before.is_none_or(|before| before["spec"] != object["spec"]);
            object["metadata"]["uid"] = json!(place);
            object["metadata"]["generation"] = json!(generation + i64::from(changed));
            if let Some(status) = before.map(|before| before["status"].clone()).filter(Value::is_object) {
                object["status"] = status;
            }
            kept.objects.insert(place.to_owned(), object.clone());
            answer(200, &object)
        }
        Method::DELETE => match kept.objects.remove(place) {
            Some(object) => answer(200, &object),
            None => refuse(404, "not found"),
        },
        _ => match kept.objects.get(place) {
            Some(object) => answer(200, object),
            None => refuse(404, "not found"),
        },
    }
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}

fn refuse(code: u16, message: &str) -> Response<Body> {
    let reason = if code == 404 { "NotFound" } else { "Refused" };
    answer(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": ObjectMeta::default(),
            "status": "Failure", "message": message, "reason": reason, "code": code,
        }),
    )
}
