//! The fuzz target `engine_ops` without a fuzzer: every file of its corpus, and damaged ones.

use std::path::Path;

use crate::differential::assert_same;
use crate::operation::Sequence;

/// The target's body: engine and model agree on whatever the bytes say.
fn engine_ops(bytes: &[u8], origin: &str) {
    assert_same(Sequence::from_bytes(bytes), origin);
}

#[test]
fn the_corpus_of_engine_ops_finds_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/engine_ops");
    let mut files = 0;
    for entry in std::fs::read_dir(&corpus).expect("the corpus is there") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let origin = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        engine_ops(&bytes, &origin);
        // Neighbours of each file, as a fuzzer would try first.
        engine_ops(&bytes[..bytes.len() / 2], &format!("{origin}, first half"));
        engine_ops(&bytes[bytes.len() / 2..], &format!("{origin}, second half"));
        let flipped: Vec<u8> = bytes.iter().map(|byte| byte ^ 0x55).collect();
        engine_ops(&flipped, &format!("{origin}, flipped"));
        files += 1;
    }
    println!("{files} corpus files replayed");
    assert!(files >= 8, "the seed corpus is missing");
}
