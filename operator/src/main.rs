//! `wicketgate-operator`: parse, run, exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crds::definition::{Destination, RenderError, render_all};
use wicketgate_operator::{
    args::{self, Args, Command, Exit},
    causes::chain,
    run::{self, RunError},
};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("failed to write to the standard output")]
    Write(#[from] io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
}

fn main() -> ExitCode {
    let command = match Args::try_parse_from(std::env::args_os()) {
        Ok(Args { command }) => command,
        Err(error) => {
            // With the standard output gone there is nobody to tell.
            let _ = error.print();
            return args::exit_of(&error).into();
        }
    };
    let outcome = match command {
        Command::Crds => print_definitions(&mut io::stdout().lock()),
        Command::Run(run) => run::run(*run).map_err(Error::Run),
    };
    match outcome {
        Ok(()) => Exit::Ok,
        // Whoever reads us has read enough; that is no fault.
        Err(Error::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            eprintln!("wicketgate-operator: {}", chain(&error));
            match error {
                Error::Run(error) => error.exit(),
                Error::Render(_) | Error::Write(_) => Exit::Internal,
            }
        }
    }
    .into()
}

fn print_definitions(out: &mut impl Write) -> Result<(), Error> {
    out.write_all(render_all(Destination::Kubectl)?.as_bytes())?;
    out.flush()?;
    Ok(())
}
