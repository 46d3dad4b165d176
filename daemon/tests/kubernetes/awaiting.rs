//! Waits for what must come true.

use std::future::Future;
use std::time::Duration;

/// Beyond any of it something is broken, however slow the machine.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
pub(super) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, asking).await.unwrap_or_else(|_| panic!("it never came true that {what}"))
}
