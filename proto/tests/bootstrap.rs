//! Generates `src/gen/` anew and compares it with what is committed; `UPDATE=1` writes it.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use prost::Message;

const PROTOS: [&str; 2] = ["gubernator.proto", "peers.proto"];
const CODE: &str = "pb.gubernator.rs";
const DESCRIPTORS: &str = "descriptors.bin";

#[test]
fn generated_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/gen");
    let fresh = Scratch::create();
    generate(root, &fresh.0);

    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&committed).unwrap();
        for name in [CODE, DESCRIPTORS] {
            fs::copy(fresh.0.join(name), committed.join(name)).unwrap();
        }
        return;
    }
    for name in [CODE, DESCRIPTORS] {
        let same = fs::read(fresh.0.join(name)).unwrap() == fs::read(committed.join(name)).unwrap();
        assert!(same, "src/gen/{name} is stale: run UPDATE=1 cargo test -p wicketgate-proto");
    }
}

/// Writes code and descriptors of all protos under `root` into `out`, without a system `protoc`.
fn generate(root: &Path, out: &Path) {
    let mut set = protox::compile(PROTOS, [root]).unwrap();

    // The comments, read from the source positions, are for the code; reflection has no use for them.
    tonic_prost_build::configure()
        .btree_map(".")
        .emit_rerun_if_changed(false)
        .out_dir(out)
        .compile_fds(set.clone())
        .unwrap();

    for file in &mut set.file {
        file.source_code_info = None;
    }
    fs::write(out.join(DESCRIPTORS), set.encode_to_vec()).unwrap();
}

/// A folder of this process's own, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Self {
        let path = env::temp_dir().join(format!("wicketgate-proto-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left-overs in the temporary folder are no reason to fail.
        let _ = fs::remove_dir_all(&self.0);
    }
}
