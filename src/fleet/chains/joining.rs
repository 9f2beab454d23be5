//! Opens a channel: reads what the engine holds of it, and takes part from there on.

use super::chain::{Chain, ChainSettings};
use super::engine::ChainEngine;
use super::loading::{Loaded, load};
use super::part::{ChainOver, Part};
use super::source_log::SourceLog;
use crate::channel::{Channel, Settings, SharedWriter};
use crate::fleet::engine::EngineError;
use crate::fleet::inbox::Inbox;
use crate::fleet::record::{Content, Stored};
use crate::fleet::shared::Shared;
use crate::metrics::SourceMetrics;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl<E: ChainEngine> SourceLog<E> {
    /// Opens a channel. `refusal_kept`: how long the origin's refusal is remembered.
    pub(crate) async fn join(
        self: Arc<Self>,
        channel: &str,
        (settings, metrics): (Settings, Arc<SourceMetrics>),
        refusal_kept: Duration,
    ) -> Result<Part<E>, EngineError> {
        self.until_open().await?;
        let key = self.engine.key(channel);
        // What comes behind what is read from the engine comes here.
        let route = self.route(&key);
        let read = self.read_up_to();
        let bytes_max = settings.load().log.bytes;
        let Loaded { mut records, last } = load(self.clone(), key.clone(), 1, bytes_max).await?;
        let begin = records.iter().rposition(is_begin).unwrap_or(0);
        records.drain(..begin);
        let (own, writer) = Channel::shared(settings.clone(), metrics.clone());
        let chain = Chain::new(self.chain_settings(), &self.names(), Instant::now(), fastrand::u64(..));
        let inbox = Inbox::within(self.settings.buffer, Some(self.budget.clone()));
        let mut part = Part::new(self.clone(), (key, route), chain, writer, Shared::with(inbox));
        records.iter().for_each(|stored| part.read(stored));
        let linger = settings.load().linger;
        let is_past = match part.over() {
            Some(ChainOver::Ended(at)) => at.elapsed() >= linger,
            Some(ChainOver::Refused(_, at)) => at.elapsed() >= refusal_kept,
            Some(ChainOver::Another) => true,
            None => false,
        };
        if is_past {
            drop(own);
            let (_, writer) = Channel::shared(settings, metrics);
            part.begin_another(writer);
        }
        self.set_going(&mut part.writer, read.max(last));
        Ok(part)
    }

    fn set_going(&self, writer: &mut SharedWriter, behind: u64) {
        if writer.epoch().is_none() {
            writer.begin(self.names().current(), behind);
        }
        writer.flush();
        writer.open();
    }

    fn chain_settings(&self) -> ChainSettings {
        ChainSettings {
            instance: self.settings.instance.clone(),
            process: self.settings.process.clone(),
            life: self.next_life(),
            upstreams: self.settings.upstreams,
            message_bytes_max: self.engine.message_bytes_max(),
            checkpoint_every: self.settings.checkpoint_every,
        }
    }
}

/// Whether a stream begins here: what was before has come to its end.
fn is_begin(stored: &Stored) -> bool {
    let record = stored.record.as_ref();
    record.is_some_and(|record| record.read == 0 && matches!(record.content, Content::Term { .. }))
}
