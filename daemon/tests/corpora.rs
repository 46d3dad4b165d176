//! The fuzz targets without a fuzzer: every file of their corpora, and damaged ones.

use std::path::Path;

use crate::proxy_heads::proxy_heads;
use crate::wire_decode::wire_decode;

#[test]
fn the_corpus_of_wire_decode_finds_nothing() {
    let meaningful = [0x00, 0x01, 0x07, 0x0a, 0x0b, 0x0c, 0x12, 0x4a, 0x7f, 0x80, 0xff];
    replay("wire_decode", &meaningful, wire_decode);
}

#[test]
fn the_corpus_of_proxy_heads_finds_nothing() {
    replay("proxy_heads", b"\0\n%./:;\\ ,\xff", proxy_heads);
}

/// Runs a target over its corpus: every cut of each file, and every byte replaced by one that means
/// something to the format.
fn replay(target: &str, meaningful: &[u8], run: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let (mut files, mut inputs) = (0, 0);
    for entry in std::fs::read_dir(&corpus).expect("the corpus is there") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        files += 1;
        run(&bytes);
        for at in 0..bytes.len().min(600) {
            run(&bytes[..at]);
            for other in meaningful {
                let mut damaged = bytes.clone();
                damaged[at] = *other;
                run(&damaged);
                inputs += 1;
            }
            inputs += 1;
        }
    }
    println!("{target}: {files} corpus files and {inputs} damaged ones read");
    assert!(files >= 8, "the seed corpus is missing");
}
