//! `GET /wicketgate/v1/report`: what a node says of itself to the operator; with `?watch=true` a line
//! whenever it changes, so that nobody has to ask again and again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use crds::report::{HEARTBEAT, PATH, PodReport};
use futures_util::stream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::node::Node;

/// Streams at once: the operator and its standby open one each, people a few more.
const MAX_STREAMS: usize = 64;
/// How often a stream says what has not changed; well within what the reader waits for.
const REPEAT: Duration = Duration::from_secs(HEARTBEAT.as_secs() / 2);

#[derive(Clone)]
struct Desk {
    node: Arc<Node>,
    places: Arc<Semaphore>,
    drain: CancellationToken,
}

/// The route of `node`'s reports. A stream ends when `drain` is cancelled, so that it holds up no end.
pub fn report_routes(node: Arc<Node>, drain: CancellationToken) -> Router {
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    Router::new().route(PATH, get(report)).with_state(Desk { node, places, drain })
}

async fn report(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    let watches = query.as_deref().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
    if !watches {
        let line = render(&desk.node.report());
        return ([(CONTENT_TYPE, "application/json")], line).into_response();
    }
    let Ok(place) = Arc::clone(&desk.places).try_acquire_owned() else {
        let text = format!("all {MAX_STREAMS} streams of reports are taken; try again later\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let reader = Reader { changes: desk.node.report_changes(), desk, first: true, _place: place };
    let lines = stream::unfold(reader, |mut reader| async {
        let line = reader.next().await?;
        Some((Ok::<_, Infallible>(line), reader))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

struct Reader {
    desk: Desk,
    changes: watch::Receiver<PodReport>,
    first: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next line, as soon as there is something to say; `None` once the node takes no more calls.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::take(&mut self.first) {
            tokio::select! {
                biased;
                () = self.desk.drain.cancelled() => return None,
                changed = self.changes.changed() => changed.ok()?,
                () = tokio::time::sleep(REPEAT) => {}
            }
        }
        self.changes.mark_unchanged();
        Some(render(&self.desk.node.report()))
    }
}

fn render(report: &PodReport) -> Bytes {
    // Texts and numbers, none of which can fail.
    let mut line = serde_json::to_vec(report).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests;
