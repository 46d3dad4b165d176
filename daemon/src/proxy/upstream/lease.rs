//! What a request holds while its answer is under way.

use std::fmt;

use super::endpoints::InFlight;
use super::http2::Mark;

/// A connection's place, held until the answer is there to its end. Hold it beside the answer's body and
/// drop it after that: the connection serves the next request where the answer was read to its end, and
/// is closed where it was not.
pub struct Lease {
    connection: Option<Box<dyn Held>>,
    _stream: Option<Mark>,
    in_flight: InFlight,
}

/// What goes back to its pool when it is dropped.
pub(super) trait Held: Send {}

impl Lease {
    pub(super) fn of_connection(connection: Option<Box<dyn Held>>, in_flight: InFlight) -> Self {
        Self { connection, _stream: None, in_flight }
    }

    pub(super) fn of_stream(mark: Mark, in_flight: InFlight) -> Self {
        Self { connection: None, _stream: Some(mark), in_flight }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let busy = self.connection.is_some();
        f.debug_struct("Lease").field("busy", &busy).field("in_flight", &self.in_flight).finish()
    }
}
