//! How the process ends, for scripts and probes; the numbers are those of BSD's `sysexits`.

use std::process::ExitCode;

/// An exit code with its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done as asked.
    Ok,
    /// `hit`: the limit refused it.
    Refused,
    /// `health`: the daemon answered that it is unhealthy.
    Unhealthy,
    /// `load`: calls or items failed.
    Failed,
    /// The command line or a setting is wrong; nothing was started.
    Usage,
    /// A manifest is invalid.
    Manifests,
    /// Nobody answers, or the port is taken.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Exit {
    /// The number that the parent process sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::Unhealthy => 2,
            Self::Failed => 3,
            Self::Usage => 64,
            Self::Manifests => 65,
            Self::Unavailable => 69,
            Self::Internal => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
