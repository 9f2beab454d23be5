//! The threads that read from origins. They do nothing else, because they read in rounds when a lot
//! comes ([`crate::wake_up_batching`]): requests, handshakes and proxied requests would wait for
//! the rounds too.

use crate::wake_up_batching;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Handle, Runtime};

/// How the threads' names begin: what `top -H` and `/proc/PID/task/*/comm` show.
const THREAD_NAME: &str = "upstream-";

/// One thread for this many delivery shards: each thread more is one more that is woken, and fewer
/// reads are taken by one look (docs/decisions/0008 and 0024).
const SHARDS_PER_THREAD: usize = 4;

/// A runtime of its own for all upstreams of a process. Dropping it ends whatever still runs on it.
#[derive(Debug)]
pub(crate) struct UpstreamRuntime {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl UpstreamRuntime {
    /// Starts the threads for a relay with so many delivery shards.
    pub(crate) fn start(shards: usize) -> io::Result<Self> {
        let started = AtomicUsize::new(0);
        let runtime = Builder::new_multi_thread()
            .worker_threads((shards / SHARDS_PER_THREAD).max(1))
            .thread_name_fn(move || format!("{THREAD_NAME}{}", started.fetch_add(1, Ordering::Relaxed)))
            .on_thread_park(wake_up_batching::before_sleep)
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Where upstreams are spawned.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for UpstreamRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A relay is dropped within another runtime, where waiting is not allowed; and a name
            // that is being resolved can't be interrupted.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_has_threads_of_its_own_and_ends_what_runs_on_them() {
        let runtime = UpstreamRuntime::start(1).unwrap();
        let name = || std::thread::current().name().map(str::to_owned);
        let there = runtime.handle().spawn(async move { name() }).await.unwrap();
        assert!(there.is_some_and(|there| there.starts_with(THREAD_NAME)));
        assert!(!name().is_some_and(|here| here.starts_with(THREAD_NAME)));
        let endless = runtime.handle().spawn(std::future::pending::<()>());
        drop(runtime);
        let ended = tokio::time::timeout(Duration::from_secs(20), endless).await;
        assert!(ended.unwrap().unwrap_err().is_cancelled());
    }
}
