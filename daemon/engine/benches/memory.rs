//! What a live token bucket costs, all in, and how fast ten million of them are visited.
//!
//! Fills a table, reads how much more memory the system says the process holds, and fails where a
//! bucket takes more than its budget. `cargo bench -p wicketgate-engine --bench memory`

#![allow(clippy::disallowed_methods, reason = "a bench is where time is measured")]

use std::process::ExitCode;
use std::time::Instant;

use wicketgate_engine::{Algorithm, Hit, Table, UnixMillis, Window};

/// Bytes that a live token bucket with an 18-byte key may take, everything counted.
const BUDGET: f64 = 128.0;
const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);

fn hit(unique_key: &str) -> Hit<'_> {
    Hit {
        name: "bench_",
        unique_key,
        hits: 1,
        limit: 1_000,
        window: Window::Millis(3_600_000),
        algorithm: Algorithm::TokenBucket,
        burst: 1_000,
        reset: false,
        drain: false,
        at: NOW,
    }
}

/// Bytes that the system holds in memory for this process.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn main() -> ExitCode {
    let mut within = true;
    println!("{:>12} {:>14} {:>12} {:>16} {:>16}", "keys", "bytes a key", "MiB in all", "create", "visit");
    for keys in [100_000_u64, 1_000_000, 10_000_000] {
        let Some(before) = resident() else {
            println!("memory: this system does not tell how much a process holds");
            return ExitCode::SUCCESS;
        };
        let table = Table::with_seed(usize::try_from(keys).unwrap_or(usize::MAX), 7);
        let created = Instant::now();
        for number in 0..keys {
            table.hit(&hit(&format!("{number:012}")));
        }
        let created = created.elapsed().as_secs_f64();
        let held = resident().unwrap_or(before).saturating_sub(before);
        let each = held as f64 / table.len() as f64;
        let visited = Instant::now();
        let mut number = 1_u64;
        for _ in 0..keys {
            // A walk that meets every key once, far from the one before.
            number = (number + 7_368_787) % keys;
            table.hit(&hit(&format!("{number:012}")));
        }
        let visited = visited.elapsed().as_secs_f64();
        println!(
            "{keys:>12} {each:>14.1} {:>12.0} {:>13.2} M/s {:>13.2} M/s",
            held as f64 / f64::from(1 << 20),
            keys as f64 / created / 1e6,
            keys as f64 / visited / 1e6,
        );
        within &= each <= BUDGET;
    }
    if within {
        ExitCode::SUCCESS
    } else {
        println!("memory: a bucket takes more than its budget of {BUDGET} bytes");
        ExitCode::FAILURE
    }
}
