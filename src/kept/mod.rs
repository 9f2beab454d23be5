//! Logs that outlive the process: what a channel's log holds is written to a folder by a thread of
//! its own, and read back at the next start.
//!
//! It promises:
//! - No event waits for the disk. The thread follows the log as any reader does; if it falls so far
//!   behind that the log lets go what it has not written, it starts over at the oldest event.
//! - No number is given twice: the one below which all lie is on disk, synced, before they are
//!   given.
//! - What is read back is a run of events without a hole: at the first byte that is not as it was
//!   written it is cut.
//! - What can't be written stays in memory, is said and counted, and is tried again.
//!
//! The format is our own: docs/decisions/0041. A folder of another one is set aside.

mod clock;
mod directories;
mod directory;
mod directory_error;
mod disk;
mod files;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod keeping;
mod kept_channels;
mod kept_log;
mod names;
mod numbers;
mod opened;
#[cfg(test)]
mod opened_tests;
mod record;
mod recovery;
mod running;
mod segment;
mod segments;
#[cfg(test)]
mod simulated;
mod thread;
mod work;

pub use directories::Directories;
pub(crate) use directory::Directory;
pub use directory_error::DirectoryError;
pub(crate) use keeping::{Keeping, KeptLogState};
pub(crate) use kept_channels::KeptChannels;
pub(crate) use opened::Opened;
pub(crate) use running::{Folder, OnDisk};
