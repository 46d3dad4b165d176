//! A future beside a busy one. A task that waits for either polls both each time it wakes, and what waits
//! for a shutdown takes a lock for that; this one is left alone until it was woken itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Waits for what seldom happens.
pub(crate) struct Seldom<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    flag: Arc<Flag>,
    own: Waker,
    /// Whom the flag wakes, as long as it has not done so.
    task: Option<Waker>,
}

struct Flag {
    woken: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order: whoever has registered after the first finds it.
        self.woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<T> fmt::Debug for Seldom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seldom")
    }
}

impl<T> Seldom<T> {
    /// Waits for `future`.
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        let flag = Arc::new(Flag { woken: AtomicBool::new(true), task: AtomicWaker::new() });
        // A busy neighbour uses up the task's budget, and this must not wait for it.
        let future = Box::pin(tokio::task::unconstrained(future));
        Self { future, own: Waker::from(Arc::clone(&flag)), flag, task: None }
    }
}

impl<T> Future for Seldom<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let known = this.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if known && !this.flag.woken.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        this.flag.task.register(cx.waker());
        this.task = Some(cx.waker().clone());
        if !this.flag.woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.future.as_mut().poll(&mut Context::from_waker(&this.own))
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn it_is_polled_when_it_was_woken_and_at_no_other_time() {
        let (token, polls) = (CancellationToken::new(), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let (counted, mut waits) = (Arc::clone(&polls), Box::pin(token.clone().cancelled_owned()));
        let mut seldom = Seldom::new(std::future::poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            waits.as_mut().poll(cx)
        }));
        std::future::poll_fn(|cx| {
            for _ in 0..5 {
                assert!(Pin::new(&mut seldom).poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        // Another task takes it over, and is woken.
        let taken = tokio::spawn(seldom);
        tokio::task::yield_now().await;
        token.cancel();
        taken.await.unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }
}
