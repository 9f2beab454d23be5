//! What a channel's part waits for.

use crate::fleet::chains::engine::ChainEngine;
use crate::fleet::chains::loading::Loaded;
use crate::fleet::chains::routes::Tailed;
use crate::fleet::chains::source_log::SourceLog;
use crate::fleet::engine::EngineError;
use crate::fleet::pipeline::Answer;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Between two tries to read the channel from the engine.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long the engine may take for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is under way.
#[derive(Default)]
pub(in crate::fleet::chains) struct Waits {
    /// By the terms that they belong to; 0: a term record.
    pub(super) answers: JoinSet<(u64, Answer)>,
    pub(super) last: Option<Pending<Option<u64>>>,
    pub(super) loading: Option<Pending<Result<Loaded, EngineError>>>,
    /// The numbering has another name, and the channel has not been read since.
    pub(super) is_renamed: bool,
}

/// What has happened.
pub(super) enum Event {
    Tailed(Tailed),
    /// Something has not found room.
    Missed,
    /// `None`: it could not be read.
    Loaded(Option<Loaded>),
    Answered(u64, Answer),
    Last(Option<u64>),
    LeaderGone(String),
    Arrived,
    Due,
}

impl Waits {
    /// Asks for a channel's newest message.
    pub(super) fn ask_last<E: ChainEngine>(&mut self, log: &Arc<SourceLog<E>>, key: &str) {
        let (log, key) = (log.clone(), key.to_owned());
        self.last = Some(Box::pin(async move {
            let last = timeout(ANSWER_MAX, log.engine.last(&key)).await.ok()?.ok()?;
            Some(last.map_or(0, |stored| stored.sequence))
        }));
    }
}

/// What is awaited, if anything is.
pub(super) async fn pending<T>(future: &mut Option<Pending<T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
