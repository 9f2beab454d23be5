//! Why a process can't take over.

use crate::handover::LinkError;
use std::io;
use std::path::PathBuf;

/// Why a process can't take over: the one before goes on as if nothing had been.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// There is none to take over from.
    #[error("no process to take over from answers at {path}: {error}; `fanfare serve` without `--takeover` starts one")]
    Nobody {
        /// The control socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It belongs to another user.
    #[error("the process at {0} is another user's")]
    NotTrusted(PathBuf),
    /// It does not hand over, or something between the two failed.
    #[error("nothing was taken over")]
    Failed(#[from] LinkError),
}
