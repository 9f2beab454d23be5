//! A subject per channel, in the stream of their source.

use super::super::chains::{ChainEngine, Sign};
use super::super::engine::EngineError;
use super::super::pipeline::Answer;
use super::super::record::{Message, Stored};
use super::reader::{StreamReader, StreamTail, single};
use super::stream::said;
use super::{StreamLog, came_of, names, publish};
use async_nats::jetstream::kv::Operation;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use std::future::Future;
use std::time::Instant;

impl ChainEngine for StreamLog {
    type Tail = StreamTail;

    fn key(&self, channel: &str) -> String {
        names::key(channel)
    }

    async fn append_to(
        &self,
        key: &str,
        expected: u64,
        id: String,
        message: Message,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let publish = publish(id, message).expected_last_subject_sequence(expected);
        came_of(self.send(self.names.subject_of(key), publish).await)
    }

    async fn last(&self, key: &str) -> Result<Option<Stored>, EngineError> {
        let subject = self.names.subject_of(key);
        match self.stream().await?.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(single(message, &self.clock))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(said(&error)),
        }
    }

    async fn read_chain(&self, key: &str, sequence: u64) -> Result<StreamReader, EngineError> {
        self.reader(sequence, self.names.subject_of(key)).await
    }

    async fn has_read(&self, reader: StreamReader) {
        if let Ok(stream) = self.stream().await {
            reader.close(stream).await;
        }
    }

    async fn tail(&self, sequence: u64) -> Result<StreamTail, EngineError> {
        Ok(StreamTail {
            reader: self.reader(sequence, String::new()).await?,
            names: self.names.clone(),
        })
    }

    async fn purge(&self, key: &str, up_to: u64) -> Result<(), EngineError> {
        let purge = self.stream().await?.purge().filter(self.names.subject_of(key));
        match purge.sequence(up_to + 1).await {
            Ok(_) => Ok(()),
            Err(error) => Err(said(&error)),
        }
    }

    async fn give_sign(&self, process: &str) -> Result<(), EngineError> {
        let sign = self.holder.clone();
        match self.store().await?.put(self.names.sign_of(process), sign).await {
            Ok(_) => Ok(()),
            Err(error) => Err(said(&error)),
        }
    }

    async fn give_last_sign(&self, process: &str) {
        if let Ok(store) = self.store().await
            && let Err(error) = store.delete(self.names.sign_of(process)).await
        {
            tracing::debug!(source = self.source.name, %error, "the sign of life could not be taken back: it expires");
        }
    }

    async fn sign_of(&self, process: &str) -> Result<Sign, EngineError> {
        match self.store().await?.entry(self.names.sign_of(process)).await {
            Ok(Some(entry)) if entry.operation == Operation::Put => Ok(Sign::Alive),
            Ok(Some(_)) => Ok(Sign::Ended),
            Ok(None) => Ok(Sign::Missing),
            Err(error) => Err(said(&error)),
        }
    }
}

impl StreamLog {
    /// Reads from a message on. `subject`: of one channel; empty: of all.
    pub(super) async fn reader(&self, sequence: u64, subject: String) -> Result<StreamReader, EngineError> {
        let began = Instant::now();
        let inbox = self.connection.context().await?.client().new_inbox();
        let opened = StreamReader::open(self.stream().await?, (inbox, self.clock.clone()), sequence, subject).await;
        opened.map_err(|error| self.connection.explain(error, began))
    }
}
