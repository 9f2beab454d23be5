//! Why a hand-over fails between the two processes.

use super::kind::Kind;
use std::io;

/// What went wrong with the other side.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It has closed the connection, or has ended.
    #[error("the other process has ended, or has given up")]
    Closed,
    /// It did not answer in time.
    #[error("the other process did not answer in time")]
    TooLate,
    /// What it sent is not what was to come.
    #[error("the other process sent {found:?} instead of {expected}")]
    Unexpected {
        /// What came.
        found: Kind,
        /// What should have.
        expected: &'static str,
    },
    /// What it sent can't be read.
    #[error("the other process sent what can't be read: {0}")]
    Malformed(&'static str),
    /// It does not hand over, or does not take over, and says why.
    #[error("{why} (the other process is fanfare {version})")]
    Refused {
        /// Its version.
        version: String,
        /// In its words.
        why: String,
    },
    /// The system failed.
    #[error("{0}")]
    System(io::Error),
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
        match error.kind() {
            BrokenPipe | ConnectionReset | UnexpectedEof => Self::Closed,
            // What a blocking socket with a timeout answers.
            TimedOut | WouldBlock => Self::TooLate,
            _ => Self::System(error),
        }
    }
}
