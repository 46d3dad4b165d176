//! BackpressurePolicies before a backend in a pod, moved by a Prometheus in another: what callers, the backend
//! and whoever reads the status see of the window.

use std::future::Future;

use e2e::kube::connection::has_test_images;
use e2e::kube::place::Place;
use e2e::kube::story::{self, Turn};

mod changes;
mod pods;
mod secrets;
mod signal_loss;
mod upstream;
mod window;

/// A story whose pods need the images that only tests need.
async fn story<F, Fut>(title: &str, tell: F)
where
    F: FnOnce(Place) -> Fut,
    Fut: Future<Output = ()>,
{
    if has_test_images(title) {
        story::story(Turn::Shared, title, tell).await;
    }
}
