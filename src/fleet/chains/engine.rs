//! What the logs of channels need of their engine, beside what every shared log does.

use crate::fleet::engine::{Engine, EngineError};
use crate::fleet::pipeline::Answer;
use crate::fleet::record::{Message, Stored};
use std::future::Future;

/// The key of the chain that says how a source's numbering is called: no channel has it.
pub(crate) const NAMES: &str = "_";

/// Whether a process gives signs of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It does.
    Alive,
    /// It has said that it ends.
    Ended,
    /// There is none that is young enough.
    Missing,
}

/// One source's channels in an engine: a chain of messages for each, in one stream. A key is what
/// the engine takes as a part of a name.
pub(crate) trait ChainEngine: Engine {
    /// Reads all chains of the source at once.
    type Tail: Tail;

    /// What the engine calls a channel.
    fn key(&self, channel: &str) -> String;

    /// Sends a message, which is stored if the chain ends with `expected`; 0: it is empty. Completes when
    /// it is on its way; what it returns, when it is known what came of it, in bounded time.
    fn append_to(
        &self,
        key: &str,
        expected: u64,
        id: String,
        message: Message,
    ) -> impl Future<Output = impl Future<Output = Answer> + Send + 'static> + Send;

    /// The newest message of a chain, as the stream's leader has it.
    fn last(&self, key: &str) -> impl Future<Output = Result<Option<Stored>, EngineError>> + Send;

    /// Reads one chain from a message on.
    fn read_chain(&self, key: &str, sequence: u64) -> impl Future<Output = Result<Self::Reader, EngineError>> + Send;

    /// It has read what it was to.
    fn has_read(&self, reader: Self::Reader) -> impl Future<Output = ()> + Send;

    /// Reads all chains from a message on.
    fn tail(&self, sequence: u64) -> impl Future<Output = Result<Self::Tail, EngineError>> + Send;

    /// Lets go of a chain up to this message.
    fn purge(&self, key: &str, up_to: u64) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Says that this process lives. It counts for some seconds.
    fn give_sign(&self, process: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Says that it ends.
    fn give_last_sign(&self, process: &str) -> impl Future<Output = ()> + Send;

    /// Whether another process does.
    fn sign_of(&self, process: &str) -> impl Future<Output = Result<Sign, EngineError>> + Send;
}

/// Reads all chains of a source, message by message, in order.
pub(crate) trait Tail: Send + 'static {
    /// The next message, and the key of its chain. An error ends it.
    fn next(&mut self) -> impl Future<Output = Result<(String, Stored), EngineError>> + Send;
}
