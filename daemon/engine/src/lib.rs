//! The pure heart of Wicketgate: buckets, the table that holds them, the ring that says who owns
//! them, and the batches that travel between owners; and for backpressure the [window](aimd), what
//! [blocks](block) and [delays](jitter) requests beside it, and what a [PromQL](promql) query costs.
//!
//! Nothing here reads a clock, opens a socket or knows of a runtime. Time comes in as an argument
//! ([`UnixMillis`] for calendar time, [`Tick`] for waiting), and what must be sent comes out as a
//! value. The same code therefore runs under tokio, in a simulator, in a bench and in a fuzz target,
//! and another program can embed it as a library:
//!
//! ```
//! use wicketgate_engine::{Algorithm, Behavior, Calendar, Request, Status, Table, UnixMillis};
//!
//! let table = Table::new(1_000);
//! let calendar = Calendar::utc();
//! let now = UnixMillis::new(1_700_000_000_000);
//! let request = Request {
//!     name: "checkout",
//!     unique_key: "account:12345",
//!     hits: 1,
//!     limit: 2,
//!     duration: 60_000,
//!     algorithm: Algorithm::TokenBucket.number(),
//!     behavior: Behavior::BATCHING,
//!     burst: 0,
//! };
//! let hit = request.check(now, &calendar)?;
//! let verdict = table.hit(&hit);
//! assert_eq!((verdict.status, verdict.remaining), (Status::UnderLimit, 1));
//! # Ok::<(), wicketgate_engine::HitError>(())
//! ```

pub mod aimd;
mod batch;
mod behavior;
pub mod block;
mod bucket;
mod gregorian;
mod hit;
pub mod jitter;
mod key;
pub mod promql;
mod ring;
mod shard;
mod sync;
mod table;
mod time;

pub use batch::{Batch, Full, MAX_BATCH_ITEMS};
pub use behavior::Behavior;
pub use bucket::{Bucket, Status, Verdict};
pub use gregorian::{Calendar, Interval, Span, UnknownZone};
pub use hit::{Algorithm, Hit, HitError, MAX_KEY_BYTES, Request, Window};
pub use ring::{REPLICAS, Ring, RingHash, Successors, UnknownHash};
pub use table::{Table, TableStats};
pub use time::{Tick, UnixMillis};
