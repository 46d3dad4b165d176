//! `wicketgate-operator`: sets up Wicketgate on Kubernetes.
//!
//! For now it prints the resource definitions.

use std::{
    error::Error as _,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use crds::definition::{Destination, RenderError, render_all};

use crate::args::{Args, Command};

mod args;

/// An error of ours or of the machine, as sysexits.h has it.
const EX_SOFTWARE: u8 = 70;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("failed to write to the standard output")]
    Write(#[from] io::Error),
}

fn main() -> ExitCode {
    let Args { command } = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return args::refuse(&error),
    };
    let outcome = match command {
        Command::Crds => print_definitions(&mut io::stdout().lock()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads us has read enough; that is no fault.
        Err(Error::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            eprintln!("wicketgate-operator: {error}{cause}");
            ExitCode::from(EX_SOFTWARE)
        }
    }
}

fn print_definitions(out: &mut impl Write) -> Result<(), Error> {
    out.write_all(render_all(Destination::Kubectl)?.as_bytes())?;
    out.flush()?;
    Ok(())
}
