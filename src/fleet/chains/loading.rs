//! Reads from the engine what it holds of a channel.

use super::engine::ChainEngine;
use super::source_log::SourceLog;
use crate::fleet::engine::{EngineError, Reader};
use crate::fleet::record::Stored;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long the engine may take for the next message.
const NEXT_MAX: Duration = Duration::from_secs(2);
/// How often it is begun anew where what was there has been let go meanwhile.
const TRIES: usize = 3;

/// What the engine holds of a channel behind a message.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) records: VecDeque<Stored>,
    /// Its newest message, whether it lies behind that one or not; 0: there is none.
    pub(super) last: u64,
}

/// Reads a channel from a message on, up to what is in it now. `bytes_max`: of the newest messages, as far
/// as they are more than that.
pub(super) async fn load<E: ChainEngine>(
    log: Arc<SourceLog<E>>,
    key: String,
    from: u64,
    bytes_max: u64,
) -> Result<Loaded, EngineError> {
    let away = |_| EngineError("no answer".to_owned());
    let _turn = log
        .reads
        .acquire()
        .await
        .map_err(|_| EngineError("closed".to_owned()))?;
    for _ in 0..TRIES {
        let newest = timeout(NEXT_MAX, log.engine.last(&key)).await.map_err(away)??;
        let last = newest.as_ref().map_or(0, |stored| stored.sequence);
        if last < from {
            let records = VecDeque::new();
            return Ok(Loaded { records, last });
        }
        // One message is the rule with channels that begin.
        if let Some(newest) = newest
            && newest.sequence == from
        {
            let records = VecDeque::from([newest]);
            return Ok(Loaded { records, last });
        }
        if let Some(records) = read(&log, &key, (from, last), bytes_max).await? {
            return Ok(Loaded { records, last });
        }
    }
    Err(EngineError("the channel changes too fast to be read".to_owned()))
}

/// `None`: what was there is not any more.
async fn read<E: ChainEngine>(
    log: &Arc<SourceLog<E>>,
    key: &str,
    (from, last): (u64, u64),
    bytes_max: u64,
) -> Result<Option<VecDeque<Stored>>, EngineError> {
    let away = |_| EngineError("no answer".to_owned());
    let opening = timeout(NEXT_MAX, log.engine.read_chain(key, from));
    let mut reader = opening.await.map_err(away)??;
    let read = read_by(&mut reader, last, bytes_max).await;
    let log = log.clone();
    // Nothing waits for this.
    tokio::spawn(async move { log.engine.has_read(reader).await });
    read
}

async fn read_by<R: Reader>(
    reader: &mut R,
    last: u64,
    bytes_max: u64,
) -> Result<Option<VecDeque<Stored>>, EngineError> {
    let (mut records, mut bytes) = (VecDeque::new(), 0);
    loop {
        let Ok(stored) = timeout(NEXT_MAX, reader.next()).await else {
            return Ok(None);
        };
        let stored = stored?;
        let sequence = stored.sequence;
        if sequence <= last {
            bytes += size(&stored);
            records.push_back(stored);
        }
        while bytes > bytes_max
            && records.len() > 1
            && let Some(oldest) = records.pop_front()
        {
            bytes -= size(&oldest);
        }
        if sequence >= last {
            return Ok(Some(records));
        }
    }
}

fn size(stored: &Stored) -> u64 {
    stored.record.as_ref().map_or(0, |record| record.content.len() as u64)
}
