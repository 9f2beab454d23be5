//! The engine: NATS JetStream. A stream per source, a bucket for the leases.

mod chains;
mod clock;
mod connection;
mod credentials;
mod lease;
mod names;
mod reader;
mod stream;
mod tls;
mod trouble;

use super::engine::{Engine, EngineError, Extent};
use super::history::PIECES_MAX;
use super::lease::LeaseAnswer;
use super::pipeline::Answer;
use super::record::Message;
use crate::config::{self, Source};
use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use clock::Clock;
use connection::Connection;
use names::Names;
use reader::StreamReader;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};

/// What the engine takes if it has not said anything else yet.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The fleet's engine, as the configuration names it. Nothing is connected before a source needs it.
pub(crate) struct Fleet {
    connection: Arc<Connection>,
    pieces: Arc<Semaphore>,
}

/// One source's log.
pub(crate) struct StreamLog {
    connection: Arc<Connection>,
    source: Arc<Source>,
    names: Names,
    /// Who holds a lease: this instance, in this process.
    holder: Bytes,
    clock: Arc<Clock>,
    stream: OnceCell<Stream>,
    store: OnceCell<Store>,
}

/// What the engine has of one source.
pub(crate) type Log = StreamLog;

impl Fleet {
    /// Never fails in a program that has the engine.
    pub(crate) fn new(config: &config::Fleet) -> Result<Self, Infallible> {
        Ok(Self {
            connection: Arc::new(Connection::new(config.clone())),
            pieces: Arc::new(Semaphore::new(PIECES_MAX)),
        })
    }

    /// Connects by now, and not when the first source needs it.
    pub(crate) fn connect(&self, on: &Handle) {
        let connection = self.connection.clone();
        on.spawn(async move {
            // Who needs it finds out why not.
            let _ = connection.context().await;
        });
    }

    /// How it is used.
    pub(crate) fn config(&self) -> &config::Fleet {
        &self.connection.config
    }

    /// As many pieces of logs as may be in memory.
    pub(crate) fn pieces(&self) -> Arc<Semaphore> {
        self.pieces.clone()
    }

    /// A source's log. `token`: what no other process is called.
    pub(crate) fn log(&self, source: Arc<Source>, token: &str) -> StreamLog {
        StreamLog {
            names: Names::of(&self.config().name, &source.name),
            holder: format!("{} {token}", self.config().instance).into(),
            connection: self.connection.clone(),
            source,
            clock: Arc::default(),
            stream: OnceCell::new(),
            store: OnceCell::new(),
        }
    }
}

impl StreamLog {
    async fn stream(&self) -> Result<&Stream, EngineError> {
        self.stream
            .get()
            .ok_or_else(|| EngineError("the stream has not been opened".to_owned()))
    }

    async fn open_both(&self) -> Result<Extent, EngineError> {
        let context = self.connection.context().await?;
        let (stream, extent) = stream::open(context, &self.connection.config, &self.source, &self.names).await?;
        self.store().await?;
        // Opened once.
        let _ = self.stream.set(stream);
        Ok(extent)
    }

    async fn store(&self) -> Result<&Store, EngineError> {
        let (config, names) = (&self.connection.config, &self.names);
        self.store
            .get_or_try_init(async || stream::bucket(self.connection.context().await?, config, names).await)
            .await
    }
}

impl Engine for StreamLog {
    type Reader = StreamReader;

    async fn open(&self) -> Result<Extent, EngineError> {
        let began = Instant::now();
        let opened = self.open_both().await;
        opened.map_err(|error| self.connection.explain(error, began))
    }

    fn trouble(&self) -> Option<EngineError> {
        self.connection.trouble()
    }

    fn message_bytes_max(&self) -> usize {
        self.payload_max().unwrap_or(MESSAGE_BYTES_MAX)
    }

    async fn extent(&self) -> Result<Extent, EngineError> {
        let info = self
            .stream()
            .await?
            .get_info()
            .await
            .map_err(|error| stream::said(&error))?;
        Ok(stream::extent(&info))
    }

    async fn append(
        &self,
        expected: u64,
        id: String,
        message: Message,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let publish = publish(id, message).expected_last_sequence(expected);
        came_of(self.send(self.names.subject.clone(), publish).await)
    }

    async fn read_from(&self, sequence: u64) -> Result<StreamReader, EngineError> {
        self.reader(sequence, String::new()).await
    }

    async fn lease(&self, revision: Option<u64>) -> LeaseAnswer {
        match self.store().await {
            Ok(store) => lease::hold(store, &self.names.lease, &self.holder, revision).await,
            Err(_) => LeaseAnswer::Away,
        }
    }

    async fn release(&self, revision: u64) {
        if let Ok(store) = self.store().await
            && let Err(error) = store.delete_expect_revision(&self.names.lease, Some(revision)).await
        {
            tracing::debug!(source = self.source.name, %error, "the lease could not be given back: it expires");
        }
    }
}

impl StreamLog {
    fn payload_max(&self) -> Option<usize> {
        let context = self.connection.opened()?;
        Some(context.client().max_payload()).filter(|&max| max > 0)
    }

    async fn send(&self, subject: String, publish: PublishMessage) -> Result<PublishAckFuture, Answer> {
        let context = self.connection.context().await.map_err(|_| Answer::Lost)?;
        let sent = context.send_publish(subject, publish).await;
        sent.map_err(|error| refused_or_lost(error.kind()))
    }
}

/// A message as it is published.
fn publish(id: String, message: Message) -> PublishMessage {
    let mut headers = HeaderMap::new();
    for (name, value) in message.fields {
        headers.append(name, value);
    }
    PublishMessage::build()
        .headers(headers)
        .payload(message.payload)
        .message_id(id)
}

/// What comes of a message that has been sent, or not.
async fn came_of(sent: Result<PublishAckFuture, Answer>) -> Answer {
    let answer = match sent {
        Ok(answer) => answer.await,
        Err(answer) => return answer,
    };
    match answer.map_err(|error| error.kind()) {
        Ok(_) => Answer::Stored,
        Err(kind) => refused_or_lost(kind),
    }
}

/// Whether the engine has said no, or nothing that says what became of it.
fn refused_or_lost(kind: PublishErrorKind) -> Answer {
    match kind {
        PublishErrorKind::WrongLastSequence
        | PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::MaxPayloadExceeded => Answer::Refused,
        PublishErrorKind::StreamNotFound
        | PublishErrorKind::TimedOut
        | PublishErrorKind::BrokenPipe
        | PublishErrorKind::MaxAckPending
        | PublishErrorKind::Other => Answer::Lost,
    }
}
