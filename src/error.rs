//! How the process ends: what the shell and the service manager see.

use std::process::ExitCode;

/// The kinds of end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or drained in time.
    Done,
    /// Something failed while running.
    Failed,
    /// The command line or the configuration is wrong; another attempt without a change is
    /// pointless.
    Usage,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
