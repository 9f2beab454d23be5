//! Reads a stream in order, by a consumer that the server forgets with its reader.

use super::super::engine::{EngineError, Reader};
use super::super::record::{Record, Stored};
use super::clock::Clock;
use super::stream::said;
use async_nats::HeaderMap;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use async_nats::jetstream::stream::Stream;
use std::sync::Arc;
use tokio_stream::StreamExt as _;

/// See the module.
pub(crate) struct StreamReader {
    messages: Ordered,
    clock: Arc<Clock>,
}

impl StreamReader {
    /// From this message on.
    pub(super) async fn open(
        stream: &Stream,
        (inbox, clock): (String, Arc<Clock>),
        from: u64,
    ) -> Result<Self, EngineError> {
        let config = OrderedConfig {
            deliver_subject: inbox,
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ..OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| said(&error))?;
        let messages = consumer.messages().await.map_err(|error| said(&error))?;
        Ok(Self { messages, clock })
    }
}

impl Reader for StreamReader {
    async fn next(&mut self) -> Result<Stored, EngineError> {
        match self.messages.next().await {
            Some(Ok(message)) => stored(message, &self.clock),
            Some(Err(error)) => Err(said(&error)),
            None => Err(EngineError("the consumer has ended".to_owned())),
        }
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

fn all<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Vec<&'a str> {
    let values = headers.into_iter().flat_map(|headers| headers.get_all(name));
    values.map(|value| value.as_str()).collect()
}
