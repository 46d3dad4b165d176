//! The internal listener: an index page, metrics, and what became of Go's profiles.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use http::{StatusCode, header};

use crate::metrics::CONTENT_TYPE;

const INDEX: &str = "\
<!DOCTYPE html>
<html>
<head><title>Internal throttle-proxy API</title></head>
<body>
<h1>Internal throttle-proxy API</h1>
<ul>
<li><a href=\"/metrics\">/metrics</a></li>
<li><a href=\"/debug/pprof/\">/debug/pprof/</a></li>
</ul>
</body>
</html>
";

const NO_PROFILES: &str = "\
there are no profiles of Go's here, since this is no Go program; use perf, as in \
`perf record -g -p PID` with the binary of the profile \"profiling\"\n";

/// What the internal listener answers; `metrics` writes all metrics down when they are asked for.
pub fn router(metrics: impl Fn() -> Result<String, prometheus::Error> + Send + Sync + 'static) -> Router {
    let metrics = Arc::new(metrics);
    let metrics = move || {
        let text = metrics();
        async move {
            match text {
                Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
                Err(error) => {
                    tracing::error!(%error, "metrics cannot be written down");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        }
    };
    let no_profiles = || async { (StatusCode::NOT_IMPLEMENTED, NO_PROFILES) };
    let index = || async { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], INDEX) };
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/debug/pprof", any(no_profiles))
        .route("/debug/pprof/", any(no_profiles))
        .route("/debug/pprof/{*profile}", any(no_profiles))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(path: &str) -> (u16, String, String) {
        let router = router(|| Ok("proxymw_request_count 7\n".to_owned()));
        let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_index_leads_to_what_there_is() {
        let (status, kind, page) = get("/").await;
        assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
        assert!(page.contains("<title>Internal throttle-proxy API</title>"), "{page}");
        assert!(page.contains("href=\"/metrics\"") && page.contains("href=\"/debug/pprof/\""), "{page}");
        assert_eq!(get("/healthz").await.0, 404, "there is no health at the internal listener");
    }

    #[tokio::test]
    async fn metrics_are_in_the_text_format() {
        let (status, kind, text) = get("/metrics").await;
        assert_eq!((status, text.as_str()), (200, "proxymw_request_count 7\n"));
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    }

    #[tokio::test]
    async fn profiles_of_go_are_not_there_and_the_answer_says_what_is() {
        for path in ["/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline/x"] {
            let (status, _, text) = get(path).await;
            assert_eq!(status, 501, "{path}");
            assert!(text.contains("perf record"), "{path}: {text}");
        }
    }
}
