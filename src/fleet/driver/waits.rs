//! What a driver waits for.

use crate::channel::SharedWriter;
use crate::fleet::engine::{Engine, EngineError, Reader};
use crate::fleet::inbox::Inbox;
use crate::fleet::record::Stored;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// Messages that are published before followers are notified, if so many are there at once.
const BATCH_MAX: usize = 256;

pub(super) type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is awaited, if anything is.
pub(super) async fn pending<T>(future: &mut Option<Pending<T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// What the engine has said to a question where the log ends.
pub(super) async fn probed(probes: Option<&mut JoinSet<Option<u64>>>) -> Option<Option<u64>> {
    match probes.filter(|probes| !probes.is_empty()) {
        Some(probes) => Some(probes.join_next().await?.ok().flatten()),
        None => std::future::pending().await,
    }
}

/// What there is for followers.
pub(super) enum Next {
    /// What the log has next.
    Read(Result<Vec<Stored>, EngineError>),
    /// What has come while this instance is apart from the log.
    Aside,
}

/// What there is next for followers, once they are near enough for it.
pub(super) async fn next_of<R: Reader>(reader: &mut Option<R>, writer: &mut SharedWriter, inbox: &Inbox) -> Next {
    writer.ready().await;
    tokio::select! {
        batch = batch(reader) => Next::Read(batch),
        () = inbox.until_aside() => Next::Aside,
    }
}

/// What the log has next: all that is there at once.
async fn batch<R: Reader>(reader: &mut Option<R>) -> Result<Vec<Stored>, EngineError> {
    let Some(reader) = reader else {
        return std::future::pending().await;
    };
    let mut batch = vec![reader.next().await?];
    while batch.len() < BATCH_MAX
        && let Some(next) = at_once(reader.next()).await
    {
        match next {
            Ok(stored) => batch.push(stored),
            // It will be found again.
            Err(_) => break,
        }
    }
    Ok(batch)
}

/// What a future has come to, if it has.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(found) => std::task::Poll::Ready(Some(found)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

/// A reader from this message on, asked for at this time.
pub(super) async fn reopened<E: Engine>(engine: Arc<E>, from: u64, at: Instant) -> Result<E::Reader, EngineError> {
    sleep_until(at.into()).await;
    engine.read_from(from).await
}
