//! In the place of an engine, in a program that was built without one.

use super::chains::{ChainEngine, Sign, Tail};
use super::engine::{Engine, EngineError, Extent, Reader};
use super::lease::LeaseAnswer;
use super::pipeline::Answer;
use super::record::{Message, Stored};
use crate::config::{self, Source};
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[error("`fleet`: this program was built without the feature `fleet`")]
pub(crate) struct NoEngine;

/// There is none.
pub(crate) enum Fleet {}

/// None that can be reached.
pub(crate) struct NoLog;

/// The same.
pub(crate) type Log = NoLog;

impl Fleet {
    pub(crate) fn new(_: &config::Fleet) -> Result<Self, NoEngine> {
        Err(NoEngine)
    }

    pub(crate) fn connect(&self, _: &Handle) {
        match *self {}
    }

    pub(crate) fn config(&self) -> &config::Fleet {
        match *self {}
    }

    pub(crate) fn pieces(&self) -> Arc<Semaphore> {
        match *self {}
    }

    pub(crate) fn log(&self, _: Arc<Source>, _: &str) -> NoLog {
        NoLog
    }
}

fn none<T>() -> Result<T, EngineError> {
    Err(EngineError(NoEngine.to_string()))
}

impl Engine for NoLog {
    type Reader = Self;

    async fn open(&self) -> Result<Extent, EngineError> {
        none()
    }

    fn trouble(&self) -> Option<EngineError> {
        Some(EngineError(NoEngine.to_string()))
    }

    fn message_bytes_max(&self) -> usize {
        0
    }

    async fn extent(&self) -> Result<Extent, EngineError> {
        none()
    }

    async fn append(&self, _: u64, _: String, _: Message) -> impl Future<Output = Answer> + Send + 'static {
        std::future::ready(Answer::Lost)
    }

    async fn read_from(&self, _: u64) -> Result<Self, EngineError> {
        none()
    }

    async fn lease(&self, _: Option<u64>) -> LeaseAnswer {
        LeaseAnswer::Away
    }

    async fn release(&self, _: u64) {}
}

impl Reader for NoLog {
    async fn next(&mut self) -> Result<Stored, EngineError> {
        none()
    }
}

impl ChainEngine for NoLog {
    type Tail = Self;

    fn key(&self, channel: &str) -> String {
        channel.to_owned()
    }

    async fn append_to(&self, _: &str, _: u64, _: String, _: Message) -> impl Future<Output = Answer> + Send + 'static {
        std::future::ready(Answer::Lost)
    }

    async fn last(&self, _: &str) -> Result<Option<Stored>, EngineError> {
        none()
    }

    async fn read_chain(&self, _: &str, _: u64) -> Result<Self, EngineError> {
        none()
    }

    async fn has_read(&self, _: Self) {}

    async fn tail(&self, _: u64) -> Result<Self, EngineError> {
        none()
    }

    async fn purge(&self, _: &str, _: u64) -> Result<(), EngineError> {
        none()
    }

    async fn give_sign(&self, _: &str) -> Result<(), EngineError> {
        none()
    }

    async fn give_last_sign(&self, _: &str) {}

    async fn sign_of(&self, _: &str) -> Result<Sign, EngineError> {
        none()
    }
}

impl Tail for NoLog {
    async fn next(&mut self) -> Result<(String, Stored), EngineError> {
        none()
    }
}
