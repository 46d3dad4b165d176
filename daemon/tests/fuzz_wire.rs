//! The fuzz target `wire_decode` without a fuzzer: every file of its corpus, and damaged ones.

use std::path::Path;

use crate::wire_decode::wire_decode;

#[test]
fn the_corpus_of_wire_decode_finds_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/wire_decode");
    let (mut files, mut inputs) = (0, 0);
    for entry in std::fs::read_dir(&corpus).expect("the corpus is there") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        files += 1;
        wire_decode(&bytes);
        // Every cut, and every byte replaced by one that means something to the format.
        for at in 0..bytes.len().min(600) {
            wire_decode(&bytes[..at]);
            for other in [0x00, 0x01, 0x07, 0x0a, 0x0b, 0x0c, 0x12, 0x4a, 0x7f, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = other;
                wire_decode(&damaged);
                inputs += 1;
            }
            inputs += 1;
        }
    }
    println!("{files} corpus files and {inputs} damaged ones read");
    assert!(files >= 8, "the seed corpus is missing");
}
