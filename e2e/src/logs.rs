//! What a process writes, kept line by line while it runs.

use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Lines of one stream, shared with the thread that reads them.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: Mutex<Vec<String>>,
    closed: AtomicBool,
}

impl Logs {
    /// Reads `stream` to its end on a thread of its own.
    pub fn follow(stream: impl Read + Send + 'static) -> Self {
        let logs = Self::default();
        let kept = logs.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                kept.lines().push(String::from_utf8_lossy(&line).into_owned());
            }
            kept.0.closed.store(true, Ordering::Release);
        });
        logs
    }

    /// All lines so far.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The lines so far that are JSON objects, their fields flattened: `fields` of a tracing line stand
    /// beside its level.
    pub fn records(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).map(flatten).collect()
    }

    /// Whether the stream has ended, so that no line can follow.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn flatten(mut record: Value) -> Value {
    let fields = record.as_object_mut().and_then(|object| object.remove("fields"));
    if let (Some(Value::Object(fields)), Some(object)) = (fields, record.as_object_mut()) {
        object.extend(fields);
    }
    record
}
