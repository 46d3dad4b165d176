//! The two ways to ask: gRPC and JSON over HTTP.

use e2e::grpc::Client;
use e2e::http::Http;
use http::StatusCode;
use proto::gubernator::{RateLimitReq, RateLimitResp, Status};
use serde_json::{Map, Value, json};

/// A connection on which sequences are played.
pub(crate) enum Wire {
    Grpc(Client),
    Json(Http),
}

impl Wire {
    pub(crate) fn grpc(client: Client) -> Self {
        Self::Grpc(client)
    }

    pub(crate) fn json(http: Http) -> Self {
        Self::Json(http)
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Grpc(_) => "gRPC",
            Self::Json(_) => "JSON",
        }
    }

    pub(crate) async fn ask(&self, requests: Vec<RateLimitReq>) -> Vec<RateLimitResp> {
        match self {
            Self::Grpc(client) => client.hit(requests).await,
            Self::Json(http) => {
                let body = json!({ "requests": requests.iter().map(render).collect::<Vec<_>>() });
                let reply = http.post("/v1/GetRateLimits", body.to_string()).await;
                assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
                let body = reply.json();
                let fields = body.as_object().expect("an object");
                assert_eq!(fields.len(), 1, "nothing beside responses: {body}");
                fields["responses"].as_array().expect("a list").iter().map(parse).collect()
            }
        }
    }
}

/// Clients write 64-bit integers as numbers or as strings, and fields in either case: by turns, so that
/// both are read.
fn render(request: &RateLimitReq) -> Value {
    let odd = request.hits % 2 != 0;
    let int = |value: i64| if odd { json!(value.to_string()) } else { json!(value) };
    let mut object = Map::new();
    object.insert("name".into(), json!(request.name));
    object.insert(if odd { "uniqueKey" } else { "unique_key" }.into(), json!(request.unique_key));
    object.insert("hits".into(), int(request.hits));
    object.insert("limit".into(), int(request.limit));
    object.insert("duration".into(), int(request.duration));
    object.insert("algorithm".into(), json!(request.algorithm));
    object.insert("behavior".into(), json!(request.behavior));
    object.insert("burst".into(), int(request.burst));
    if let Some(created_at) = request.created_at {
        object.insert(if odd { "createdAt" } else { "created_at" }.into(), int(created_at));
    }
    Value::Object(object)
}

/// Reads a reply by the letter: all six fields, 64-bit integers as strings, the status by name.
fn parse(reply: &Value) -> RateLimitResp {
    let object = reply.as_object().expect("an object");
    let names: Vec<_> = object.keys().map(String::as_str).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["error", "limit", "metadata", "remaining", "reset_time", "status"], "{reply}");
    let text =
        |field: &str| object[field].as_str().unwrap_or_else(|| panic!("{field} is no string: {reply}"));
    let int = |field: &str| text(field).parse().unwrap_or_else(|_| panic!("{field} is no integer: {reply}"));
    let metadata = object["metadata"].as_object().expect("metadata is an object");
    RateLimitResp {
        status: Status::from_str_name(text("status")).expect("a status by name").into(),
        limit: int("limit"),
        remaining: int("remaining"),
        reset_time: int("reset_time"),
        error: text("error").to_owned(),
        metadata: metadata
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().expect("text").to_owned()))
            .collect(),
    }
}
