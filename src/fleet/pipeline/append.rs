//! What a pipeline says, and what it is told.

use crate::fleet::record::{Content, Record};

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is stored.
    Stored,
    /// It expected another sequence, or was not taken for what it is.
    Refused,
    /// There was no answer in time, or none that says anything.
    Lost,
}

/// One append to be made.
#[derive(Debug, Clone)]
pub(crate) struct Append {
    /// The sequence that the log has to end with.
    pub(crate) expected: u64,
    /// How often it has been sent before: each time it goes by another name, since the engine may know
    /// the one under which it has landed in vain.
    pub(crate) attempt: u32,
    pub(crate) record: Record,
}

impl Append {
    /// What no other message of the log is called.
    pub(crate) fn id(&self) -> String {
        let Record {
            term, number, content, ..
        } = &self.record;
        match (content, self.attempt) {
            (Content::Term { token, .. }, _) => token.clone(),
            (_, 0) => format!("{term}.{number}"),
            (_, attempt) => format!("{term}.{number}.{attempt}"),
        }
    }
}

/// What has left the pipeline: it is in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) contents: usize,
    pub(crate) bytes: usize,
}
