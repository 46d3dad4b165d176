//! `wicketgated`: parse, build, run, exit code.

use std::process::ExitCode;

use wicketgate_daemon::args::{self, Args, Command, Exit};
use wicketgate_daemon::run;

fn main() -> ExitCode {
    match Args::try_parse_from(std::env::args_os()) {
        Ok(Args { command: Command::Completions(arguments), .. }) => {
            args::write_completions(&arguments, &mut std::io::stdout());
            Exit::Ok
        }
        Ok(arguments) => run::run(arguments),
        Err(error) => {
            // Help goes to stdout, mistakes to stderr; a closed pipe changes neither.
            error.print().ok();
            args::exit_of(&error)
        }
    }
    .into()
}
