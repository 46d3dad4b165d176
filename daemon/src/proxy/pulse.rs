//! Whether a connection has anything to do, and whether its client does its part. HTTP/1.1 bounds the wait
//! for the next request by itself; for a client that has not said yet what it speaks, or speaks HTTP/2,
//! and for one that stops in the middle of a request, nobody else does.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

/// Looks this often in the time that something may be still.
const LOOKS: u32 = 2;
/// So many requests are remembered at least before those that are over are sought among them.
const FEW: usize = 16;

/// The requests of one connection, and the bytes on it.
#[derive(Debug, Default)]
pub struct Pulse {
    open: AtomicUsize,
    begun: AtomicUsize,
    came: AtomicUsize,
    went: AtomicUsize,
    cut: Notify,
    watched: Mutex<Watched>,
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub struct Beat(Arc<Pulse>);

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        // Its end is as good a sign of life as its beginning.
        self.0.begun.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request whose client may stop in the middle of it.
pub trait Watch: Send + Sync {
    /// Is asked twice in the time that a client may be still. `moved` says that the client has certainly
    /// taken something since. True where it was waited for long enough, and all was given up.
    fn look(&self, moved: bool) -> bool;
}

/// Those that are looked at. They are not told when they are over: seeking those costs each request
/// less than leaving would.
#[derive(Default)]
struct Watched {
    all: Vec<One>,
    /// How many there may be before those that are over are sought.
    enough: usize,
}

struct One {
    request: Weak<dyn Watch>,
    /// Whether nothing else is on the connection.
    alone: bool,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("all", &self.all.len()).finish()
    }
}

impl Watched {
    fn add(&mut self, one: One) {
        let is_over = |one: &One| one.request.strong_count() == 0;
        while self.all.last().is_some_and(is_over) {
            self.all.pop();
        }
        if self.all.len() >= self.enough.max(FEW) {
            self.all.retain(|one| !is_over(one));
            self.enough = self.all.len() * 2;
        }
        self.all.push(one);
    }
}

impl Pulse {
    /// A request begins.
    #[must_use]
    pub fn beat(self: &Arc<Self>) -> Beat {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Beat(Arc::clone(self))
    }

    /// Something came from the client.
    pub fn came(&self) {
        self.came.fetch_add(1, Ordering::Relaxed);
    }

    /// The client took something.
    pub fn went(&self) {
        self.went.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks at a request from now on, which may be `alone` on its connection.
    pub fn watch(&self, request: Weak<dyn Watch>, alone: bool) {
        // Whoever panicked under the lock left the list whole.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).add(One { request, alone });
    }

    /// Asks for the connection to be cut: what is on it cannot end well any more.
    pub fn cut(&self) {
        self.cut.notify_one();
    }

    /// Waits until somebody asks for that.
    pub async fn is_cut(&self) {
        self.cut.notified().await;
    }

    /// Returns once nothing has been under way for `idle`, and before twice that; never without a bound.
    pub async fn stops(&self, idle: Option<Duration>) {
        let mut requests = Changes::of(|| self.begun.load(Ordering::Relaxed));
        stands_still(idle, || requests.any() || self.open.load(Ordering::Relaxed) > 0).await;
    }

    /// The same; meanwhile it looks at those that are watched.
    pub async fn watches(&self, idle: Option<Duration>) {
        let mut requests = Changes::of(|| self.begun.load(Ordering::Relaxed));
        let mut taken = Changes::of(|| self.went.load(Ordering::Relaxed));
        stands_still(idle, || {
            self.look(taken.any());
            requests.any() || self.open.load(Ordering::Relaxed) > 0
        })
        .await;
    }

    /// Returns once no byte has come or gone for `idle`, and before twice that; never without a bound.
    pub async fn is_still(&self, idle: Option<Duration>) {
        let bytes = || (self.came.load(Ordering::Relaxed), self.went.load(Ordering::Relaxed));
        let mut bytes = Changes::of(bytes);
        stands_still(idle, || bytes.any()).await;
    }

    fn look(&self, taken: bool) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.all.retain(|one| {
            let Some(request) = one.request.upgrade() else { return false };
            // Of many, what was taken may have been another's.
            let given_up = request.look(taken && one.alone);
            if given_up && one.alone {
                self.cut();
            }
            !given_up
        });
    }
}

/// Notices that a count is another than before.
struct Changes<T, F: Fn() -> T> {
    count: F,
    seen: T,
}

impl<T: PartialEq, F: Fn() -> T> Changes<T, F> {
    fn of(count: F) -> Self {
        Self { seen: count(), count }
    }

    fn any(&mut self) -> bool {
        let now = (self.count)();
        std::mem::replace(&mut self.seen, now) != self.seen
    }
}

/// Returns once nothing has `moved` for `idle`, and before twice that; never without a bound. Looking now
/// and then costs less than a timer that each move sets anew.
async fn stands_still(idle: Option<Duration>, mut moved: impl FnMut() -> bool) {
    let Some(idle) = idle else { return std::future::pending().await };
    let mut quiet = 0;
    while quiet < LOOKS {
        tokio::time::sleep((idle / LOOKS).max(Duration::from_millis(1))).await;
        quiet = if moved() { 0 } else { quiet + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn it_stops_once_nothing_is_under_way() {
        let pulse = Arc::new(Pulse::default());
        let within = |time| tokio::time::timeout(time, pulse.stops(Some(IDLE)));
        assert!(within(IDLE * 2).await.is_ok(), "a connection without a request");
        let beat = pulse.beat();
        assert!(within(LONG).await.is_err(), "a request is under way");
        drop(beat);
        assert!(within(IDLE * 2).await.is_ok());
        assert!(tokio::time::timeout(LONG, pulse.stops(None)).await.is_err(), "there is no bound");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_still_once_no_byte_comes_or_goes() {
        let pulse = Pulse::default();
        let within = |time| tokio::time::timeout(time, pulse.is_still(Some(IDLE)));
        assert!(within(IDLE - Duration::from_secs(1)).await.is_err());
        assert!(within(IDLE * 2).await.is_ok());
        let talks = async {
            for nth in 0..20 {
                tokio::time::sleep(IDLE / 2).await;
                if nth % 2 == 0 { pulse.came() } else { pulse.went() }
            }
        };
        tokio::select! {
            () = talks => {}
            () = pulse.is_still(Some(IDLE)) => panic!("one side talks"),
        }
    }

    /// Gives up at the nth look.
    #[derive(Default)]
    struct Patient {
        looks: AtomicUsize,
        moved: AtomicUsize,
        until: usize,
    }

    impl Watch for Patient {
        fn look(&self, moved: bool) -> bool {
            self.moved.fetch_add(usize::from(moved), Ordering::Relaxed);
            self.looks.fetch_add(1, Ordering::Relaxed) + 1 == self.until
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_looked_at_until_they_are_over() {
        let pulse = Arc::new(Pulse::default());
        let _beat = pulse.beat();
        let (one, two) = (Arc::new(Patient::default()), Arc::new(Patient { until: 3, ..Patient::default() }));
        let watch = |patient: &Arc<Patient>, alone| {
            let weak = Arc::downgrade(patient);
            pulse.watch(weak, alone);
        };
        watch(&one, false);
        watch(&two, true);
        pulse.went();
        let watches = tokio::time::timeout(IDLE * 9 / 4, pulse.watches(Some(IDLE)));
        let (_, ()) = tokio::join!(watches, pulse.is_cut());
        let looks = |patient: &Patient| patient.looks.load(Ordering::Relaxed);
        assert_eq!((looks(&one), looks(&two)), (4, 3), "one that was given up is looked at no more");
        assert_eq!(pulse.watched.lock().unwrap().all.len(), 1);
    }

    #[test]
    fn those_that_are_over_do_not_pile_up() {
        let pulse = Pulse::default();
        let mut before = Arc::new(Patient::default());
        for _ in 0..1_000 {
            // Each begins before the one before it ends.
            let next = Arc::new(Patient::default());
            let weak = Arc::downgrade(&next);
            pulse.watch(weak, false);
            before = next;
        }
        drop(before);
        assert!(pulse.watched.lock().unwrap().all.len() <= FEW + 1);
    }
}
