//! Moves HTTP callers elsewhere before the node ends.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::CONNECTION;
use http::{HeaderValue, Version};

use crate::node::Node;

/// While the node is leaving, every answer over HTTP/1 asks its caller to connect anew for the next
/// request. A connection that is kept until the end would be closed at an instant that the caller
/// cannot foresee, perhaps with a request of his on its way. HTTP/2 has GOAWAY for that.
pub async fn close_while_leaving(State(node): State<Arc<Node>>, request: Request, next: Next) -> Response {
    let one = matches!(request.version(), Version::HTTP_10 | Version::HTTP_11);
    let mut response = next.run(request).await;
    if one && node.is_draining() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;
    use crate::node::NodeSettings;

    async fn connection(node: &Arc<Node>, version: Version) -> Option<HeaderValue> {
        let layer = axum::middleware::from_fn_with_state(Arc::clone(node), close_while_leaving);
        let router = Router::new().route("/", axum::routing::get(async || "ok")).layer(layer);
        let request = Request::get("/").version(version).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap().headers().get(CONNECTION).cloned()
    }

    #[tokio::test]
    async fn only_a_leaving_node_sends_its_callers_away() {
        let node = Arc::new(Node::new(NodeSettings::for_test("a:1")).unwrap());
        assert_eq!(connection(&node, Version::HTTP_11).await, None);
        node.start_draining();
        assert_eq!(connection(&node, Version::HTTP_11).await.unwrap(), "close");
        assert_eq!(connection(&node, Version::HTTP_2).await, None);
    }
}
