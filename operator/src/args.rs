//! The command line. Parsing lives here, running elsewhere.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Bad usage, as sysexits.h has it.
const EX_USAGE: u8 = 64;

/// Sets up Wicketgate on Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "wicketgate-operator",
    version,
    after_help = "Examples:
  wicketgate-operator crds | kubectl apply --server-side -f -
      teaches a Kubernetes cluster the three kinds; then apply a file of examples/

Exit codes:
  0   done
  64  the command line is wrong
  70  something failed that should not"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the definitions of RateLimitCluster, RateLimit and BackpressurePolicy as YAML.
    ///
    /// Apply them on the server's side: `kubectl apply` on the client's side keeps a copy in an
    /// annotation, which definitions of this size outgrow.
    #[command(after_help = "Example:
  wicketgate-operator crds | kubectl apply --server-side -f -")]
    Crds,
}

/// Shows what clap has to say: help and version are no errors.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    // With the standard output gone there is nobody to tell.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS }
}
