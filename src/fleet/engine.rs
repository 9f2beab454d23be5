//! What a shared log needs of its engine, and all that is known of it.

use super::lease::LeaseAnswer;
use super::pipeline::Answer;
use super::record::{Message, Stored};
use std::future::Future;

/// Where a log begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The oldest message that is kept; above `last` if none is.
    pub(crate) first: u64,
    /// The newest message that there ever was; 0: none.
    pub(crate) last: u64,
    /// The name that its numbering is to have, as it was made with.
    pub(crate) epoch: Option<String>,
}

/// Why the engine did not do something; holds no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct EngineError(pub(crate) String);

/// One source's log in an engine.
///
/// Appends of one instance arrive in the order in which they are sent, if they arrive; nothing else
/// is taken for granted.
pub(crate) trait Engine: Send + Sync + 'static {
    /// Reads the log.
    type Reader: Reader;

    /// Opens the log, and makes it if it is to be.
    fn open(&self) -> impl Future<Output = Result<Extent, EngineError>> + Send;

    /// What keeps it from answering at the moment, as far as is known.
    fn trouble(&self) -> Option<EngineError>;

    /// Bytes of a message, fields and all, that it takes.
    fn message_bytes_max(&self) -> usize;

    /// Where the log ends, as its leader says.
    fn extent(&self) -> impl Future<Output = Result<Extent, EngineError>> + Send;

    /// Sends a message, which is stored if the log ends with `expected`. Completes when it is on its
    /// way; what it returns, when it is known what came of it, in bounded time.
    fn append(
        &self,
        expected: u64,
        id: String,
        message: Message,
    ) -> impl Future<Output = impl Future<Output = Answer> + Send + 'static> + Send;

    /// Reads from a message on.
    fn read_from(&self, sequence: u64) -> impl Future<Output = Result<Self::Reader, EngineError>> + Send;

    /// Asks for the lease, or renews it.
    fn lease(&self, revision: Option<u64>) -> impl Future<Output = LeaseAnswer> + Send;

    /// Lets go of the lease.
    fn release(&self, revision: u64) -> impl Future<Output = ()> + Send;
}

/// Reads a log, message by message, in order; what it has not seen for itself is checked by who reads.
pub(crate) trait Reader: Send + 'static {
    /// The next message. An error ends it.
    fn next(&mut self) -> impl Future<Output = Result<Stored, EngineError>> + Send;
}
