//! Why a directory for logs can't be used.

use std::io;
use std::path::PathBuf;

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error("`log.dir` {}: another process keeps its logs there{}: end it, or give this one a directory of its own", .path.display(), in_words(*.holder))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The number of that process, if it is known.
        holder: Option<u32>,
    },
    /// The system refuses something.
    #[error("`log.dir` {}: {error}; it has to be a directory in which the relay's user may write", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

fn in_words(holder: Option<u32>) -> String {
    holder.map_or_else(String::new, |holder| format!(" (process {holder})"))
}
