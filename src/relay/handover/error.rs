//! Why a process can't take over.

use crate::delivery::TakeClientError;
use crate::handover::LinkError;
use crate::source::CarriedChannelError;
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
    /// What it gives of a channel can't be read.
    #[error("nothing was taken over")]
    Channel(#[from] CarriedChannelError),
    /// What it gives of a client can't be read, or there is no room.
    #[error("nothing was taken over")]
    Client(#[from] TakeClientError),
    /// There is no room.
    #[error("nothing was taken over: the limit on open files leaves no room for all connections")]
    Descriptors,
}
