//! Where the binary under test is.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The path of `wicketgated`: `WICKETGATED` where it is set, else the one cargo builds in the profile of
/// these tests. It is built once a run, so that no test meets an old one.
///
/// # Panics
/// When `WICKETGATED` names no file, or the build fails.
pub fn wicketgated() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os("WICKETGATED") {
        Some(path) => {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "WICKETGATED={} is not a file; unset it to build one", path.display());
            path
        }
        None => build(),
    })
}

fn build() -> PathBuf {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--package", "wicketgate-daemon", "--bin", "wicketgated"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().expect("cargo can be started");
    assert!(status.success(), "cargo could not build wicketgated: {status}");
    let path = profile_folder().join("wicketgated");
    assert!(path.is_file(), "cargo built wicketgated, but {} is not there", path.display());
    path
}

/// `target/<profile>`: this program runs from there or from `deps` in it.
fn profile_folder() -> PathBuf {
    let mut folder = std::env::current_exe().expect("the path of this program");
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    folder
}
