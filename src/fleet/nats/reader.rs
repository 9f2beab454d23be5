//! Reads a stream in order, by a consumer that the server forgets with its reader.

use super::super::chains::Tail;
use super::super::engine::{EngineError, Reader};
use super::super::record::{Record, Stored};
use super::clock::Clock;
use super::names::Names;
use super::stream::said;
use async_nats::HeaderMap;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::Stream;
use std::sync::Arc;
use tokio_stream::StreamExt as _;

/// See the module.
pub(crate) struct StreamReader {
    messages: Ordered,
    clock: Arc<Clock>,
    /// By what its consumer goes, if it is to be forgotten at once.
    name: Option<String>,
}

impl StreamReader {
    /// From this message on. `subject`: of one channel; empty: of all.
    pub(super) async fn open(
        stream: &Stream,
        (inbox, clock): (String, Arc<Clock>),
        from: u64,
        subject: String,
    ) -> Result<Self, EngineError> {
        // Channels are read often, and for a moment.
        let name = (!subject.is_empty()).then(|| format!("fanfare-{:016x}", fastrand::u64(..)));
        let config = OrderedConfig {
            name: name.clone(),
            deliver_subject: inbox,
            filter_subject: subject,
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ..OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| said(&error))?;
        let messages = consumer.messages().await.map_err(|error| said(&error))?;
        Ok(Self { messages, clock, name })
    }

    /// Lets the server forget it at once, and not only once it has missed it for a while.
    pub(super) async fn close(self, stream: &Stream) {
        let Self { messages, name, .. } = self;
        drop(messages);
        if let Some(name) = name {
            // One that was made anew goes by another name, and is forgotten in time.
            let _ = stream.delete_consumer(&name).await;
        }
    }
}

impl StreamReader {
    async fn message(&mut self) -> Result<Message, EngineError> {
        match self.messages.next().await {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(said(&error)),
            None => Err(EngineError("the consumer has ended".to_owned())),
        }
    }
}

impl Reader for StreamReader {
    async fn next(&mut self) -> Result<Stored, EngineError> {
        stored(self.message().await?, &self.clock)
    }
}

/// Reads all channels of a source.
pub(crate) struct StreamTail {
    pub(super) reader: StreamReader,
    pub(super) names: Names,
}

impl Tail for StreamTail {
    async fn next(&mut self) -> Result<(String, Stored), EngineError> {
        let message = self.reader.message().await?;
        let key = self.names.key_of(&message.subject).to_owned();
        Ok((key, stored(message, &self.reader.clock)?))
    }
}

fn stored(message: Message, clock: &Clock) -> Result<Stored, EngineError> {
    let info = message.info().map_err(|error| said(&error))?;
    let (sequence, published) = (info.stream_sequence, info.published.unix_timestamp_nanos());
    let age = clock.age(sequence, published, info.pending == 0);
    let (message, _) = message.split();
    Ok(Stored {
        sequence,
        record: Record::read(|name| all(message.headers.as_ref(), name), message.payload),
        age,
    })
}

/// A message that has been asked for by itself.
pub(super) fn single(message: StreamMessage, clock: &Clock) -> Stored {
    let published = message.time.unix_timestamp_nanos();
    Stored {
        sequence: message.sequence,
        record: Record::read(|name| all(Some(&message.headers), name), message.payload.clone()),
        age: clock.age(message.sequence, published, false),
    }
}

fn all<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Vec<&'a str> {
    let values = headers.into_iter().flat_map(|headers| headers.get_all(name));
    values.map(|value| value.as_str()).collect()
}
