//! Keeps a source's log read to its end, and its numbering named: one task per source.

use super::engine::{ChainEngine, Tail};
use super::routes::Tailed;
use super::source_log::SourceLog;
use crate::fleet::engine::{EngineError, Extent};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Between two tries to open the log, or to read it anew.
const OPEN_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked whether the log has been read to its end.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks in a row that have to find the log shorter than it was read: the first may have been answered by
/// a server that has fallen behind.
const SHORTER_LOOKS: u32 = 3;
/// And between them some time passes.
const SHORTER_EVERY: Duration = Duration::from_millis(1500);
/// Looks whether what was there has been read, and the time between them.
const LEVEL_LOOKS: u32 = 20;
const LEVEL_EVERY: Duration = Duration::from_millis(50);
/// How long the engine may take for what is asked.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Takes part in the fleet for one source's channels. Never completes.
pub(crate) async fn keep<E: ChainEngine>(log: Arc<SourceLog<E>>) {
    let signs = async {
        tokio::select! {
            () = log.peers.watch(&*log.engine, &log.settings.process, &log.given) => {}
            () = log.left() => {}
        }
    };
    tokio::join!(read(&log), signs);
}

async fn read<E: ChainEngine>(log: &SourceLog<E>) {
    loop {
        match begin(log).await {
            Ok(()) => break,
            Err(error) => log.failed(&error),
        }
        pause().await;
    }
    let anew = Notify::new();
    let following = async {
        loop {
            let began = Instant::now();
            let read = tokio::select! {
                read = follow(log) => read,
                () = anew.notified() => Ok(()),
            };
            if let Err(error) = read {
                log.failed(&error);
            }
            log.metrics.consumer_rebuilds.increment(1);
            if began.elapsed() < OPEN_EVERY {
                pause().await;
            }
        }
    };
    tokio::join!(following, look(log, &anew));
}

async fn pause() {
    sleep(OPEN_EVERY.mul_f64(0.5 + fastrand::f64())).await;
}

/// Opens the log: what is in it now is read when it is wanted.
async fn begin<E: ChainEngine>(log: &SourceLog<E>) -> Result<(), EngineError> {
    let extent = log.engine.open().await?;
    log.goes_on_behind(extent.last);
    log.name().await?;
    log.answered(true);
    tracing::info!(
        instance = log.settings.instance,
        last = extent.last,
        "the shared log of channels is open"
    );
    Ok(())
}

/// Reads on from where it is, until the reader fails.
async fn follow<E: ChainEngine>(log: &SourceLog<E>) -> Result<(), EngineError> {
    let from = log.read_up_to() + 1;
    let mut tail = timeout(ANSWER_MAX, log.engine.tail(from))
        .await
        .map_err(|_| EngineError("no answer".to_owned()))??;
    loop {
        let (key, stored) = tail.next().await?;
        let read = log.read_up_to();
        let is_known = stored.sequence <= read;
        if (is_known || log.is_strange(&key, &stored)) && log.has_been_renamed().await? {
            // It is read anew from there.
            return Ok(());
        }
        if is_known {
            continue;
        }
        if stored.sequence > read + 1 {
            log.routes.send_all(&Tailed::Skipped);
        }
        log.answered(true);
        log.took(&key, stored);
    }
}

/// Looks whether the log is read to its end, and is what was read. Never completes. `anew`: notified if the
/// reader is to be made anew.
async fn look<E: ChainEngine>(log: &SourceLog<E>, anew: &Notify) {
    let (mut shorter, mut mark) = (0, log.read_up_to());
    loop {
        sleep(if shorter > 0 { SHORTER_EVERY } else { LOOK_EVERY }).await;
        let (read, asked) = (log.read_up_to(), Instant::now());
        let Ok(Ok(extent)) = timeout(ANSWER_MAX, log.engine.extent()).await else {
            // What it says by itself says more.
            if let Some(trouble) = log.engine.trouble() {
                log.failed(&trouble);
            }
            continue;
        };
        log.answered(true);
        show(log, &extent);
        if extent.last < read {
            shorter += 1;
            if shorter >= SHORTER_LOOKS && log.lost().await.is_ok() {
                (shorter, mark) = (0, extent.last);
                log.goes_on_behind(extent.last);
                anew.notify_one();
            }
            continue;
        }
        shorter = 0;
        // What was there at the last look has to be read by this one.
        if log.read_up_to() < mark {
            anew.notify_one();
        }
        mark = extent.last;
        level(log, extent.last, asked).await;
        say_names_again(log).await;
    }
}

/// Tells all channels once what the log held at a time has been read, if that is soon.
async fn level<E: ChainEngine>(log: &SourceLog<E>, last: u64, at: Instant) {
    for _ in 0..LEVEL_LOOKS {
        if log.read_up_to() >= last {
            return log.routes.send_all(&Tailed::Level(at));
        }
        sleep(LEVEL_EVERY).await;
    }
}

fn show<E: ChainEngine>(log: &SourceLog<E>, extent: &Extent) {
    let lag = extent.last.saturating_sub(log.read_up_to());
    log.metrics.lag_events.set(lag as f64);
    let mut state = log.state.lock().unwrap_or_else(PoisonError::into_inner);
    state.lag = lag;
    drop(state);
    let age = log.state().lease_age.unwrap_or_default();
    log.metrics.lease_age_seconds.set(age.as_secs_f64());
}

/// The stream lets go of what is old: also of the name.
async fn say_names_again<E: ChainEngine>(log: &SourceLog<E>) {
    let names = log.names();
    if log.names_are_older_than(log.settings.checkpoint_every) {
        log.say(names.said_in(), names.again()).await;
    }
}
