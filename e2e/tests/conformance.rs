//! Replays what the original Gubernator answered (`testdata/README.md`) against a running `wicketgated`,
//! through gRPC and through JSON, and compares every field of every reply.

mod compare;
mod play;
mod recorded;
mod wire;

use std::collections::BTreeMap;
use std::io::Write;

use e2e::launch::Launch;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use self::play::{Played, play};
use self::recorded::Sequence;
use self::wire::Wire;

/// Sequences under way at once among those that keep no pace. Enough to keep a server busy, few enough
/// for its replies to be told apart in a log.
const UNPACED_AT_ONCE: usize = 16;
/// How often a sequence that came late is sent again before the machine is called too busy.
const TRIES: usize = 8;
/// Differences that are shown in full.
const SHOWN: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_reply_is_given_again() {
    let daemon = Launch::serve().start().await;
    let sequences = recorded::read();
    let wires = [Wire::grpc(daemon.node().client().await), Wire::json(daemon.node().http())];

    let (paced, unpaced): (Vec<_>, Vec<_>) = sequences.iter().partition(|sequence| sequence.paced);
    let mut score = Score::default();
    for wire in &wires {
        let calls = unpaced.iter().map(|sequence| replay(wire, sequence));
        let mut calls = futures_util::stream::iter(calls).buffer_unordered(UNPACED_AT_ONCE);
        while let Some((kind, played)) = calls.next().await {
            score.add(wire, kind, played);
        }
    }
    // These wait for the wall clock, all at once.
    let timed = async |wire, sequence| (wire, replay(wire, sequence).await);
    let mut calls = FuturesUnordered::new();
    for wire in &wires {
        calls.extend(paced.iter().map(|sequence| timed(wire, sequence)));
    }
    while let Some((wire, (kind, played))) = calls.next().await {
        score.add(wire, kind, played);
    }
    score.settle(&sequences);
}

/// Plays one sequence until it was on time.
async fn replay<'a>(wire: &Wire, sequence: &'a Sequence) -> (&'a str, Played) {
    for attempt in 0..TRIES {
        let mut played = play(wire, sequence, attempt).await;
        if !played.late {
            played.repeats = attempt;
            return (&sequence.kind, played);
        }
    }
    panic!("{}: late {TRIES} times; this machine is too busy to keep the pace of the recording", sequence.id)
}

/// What was compared, and what differed.
#[derive(Default)]
struct Score {
    /// Sequences, replies, replies that differ and repeats, by wire and kind.
    rows: BTreeMap<(String, String), [usize; 4]>,
    differences: Vec<String>,
}

impl Score {
    fn add(&mut self, wire: &Wire, kind: &str, played: Played) {
        let row = self.rows.entry((wire.name().to_owned(), kind.to_owned())).or_default();
        let found = [1, played.replies, played.differences.len(), played.repeats];
        row.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        self.differences.extend(played.differences.into_iter().map(|text| format!("{} {text}", wire.name())));
    }

    /// Shows the counts; ends the test if a reply differed or one was not compared.
    fn settle(&self, sequences: &[Sequence]) {
        // Written, not printed: the test runner keeps back what a passing test prints.
        std::io::stdout().write_all(self.table().as_bytes()).expect("a standard output");
        let recorded: usize = sequences.iter().map(Sequence::replies).sum();
        let compared: usize = self.rows.values().map(|row| row[1]).sum();
        for text in self.differences.iter().take(SHOWN) {
            println!("{text}");
        }
        assert!(self.differences.is_empty(), "{} of {compared} replies differ", self.differences.len());
        assert_eq!(compared, 2 * recorded, "every recorded reply is compared on both wires");
        assert_eq!(recorded, 21_024, "the recording is whole");
    }

    fn table(&self) -> String {
        let head = ["wire", "kind", "sequences", "replies", "differ", "repeats"].map(str::to_owned);
        let rows = self.rows.iter().map(|((wire, kind), [sequences, replies, differ, repeats])| {
            let [sequences, replies, differ, repeats] =
                [sequences, replies, differ, repeats].map(usize::to_string);
            [wire.clone(), kind.clone(), sequences, replies, differ, repeats]
        });
        let line = |[wire, kind, sequences, replies, differ, repeats]: [String; 6]| {
            format!("{wire:<6} {kind:<15} {sequences:>9} {replies:>8} {differ:>7} {repeats:>8}\n")
        };
        std::iter::once(head).chain(rows).map(line).collect()
    }
}
