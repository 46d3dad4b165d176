//! Writes the definitions and their reference from the types.
//!
//! `cargo run -p wicketgate-crds [ROOT]`, where ROOT is the root of the repository; by default that
//! of the checkout that this program was built from.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use wicketgate_crds::{definition::RenderError, generate};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("failed to write {path}")]
    Write { path: PathBuf, source: io::Error },
}

fn main() -> ExitCode {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = env::args_os().nth(1).map_or(checkout, PathBuf::from);
    match write(&root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            eprintln!("crdgen: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

fn write(root: &Path) -> Result<(), Error> {
    for (file, contents) in generate::files()? {
        let path = root.join(&file);
        let written =
            path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, contents));
        written.map_err(|source| Error::Write { path, source })?;
        println!("{file}");
    }
    Ok(())
}
