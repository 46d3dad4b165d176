//! How the process ends, for scripts and the kubelet; the numbers are those of BSD's `sysexits`.

use std::process::ExitCode;

/// An exit code with its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done as asked.
    Ok,
    /// The command line or the environment is wrong; nothing was started.
    Usage,
    /// The API server is out of reach or refuses us, leadership was lost, or the port is taken.
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
            Self::Usage => 64,
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
