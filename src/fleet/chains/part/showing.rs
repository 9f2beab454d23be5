//! Keeps what others see of a channel's part up to date.

use super::Part;
use super::shown::Shown;
use crate::fleet::chains::engine::ChainEngine;

impl<E: ChainEngine> Part<E> {
    /// Brings what others see up to date.
    pub(super) fn show(&mut self) {
        let leads = self.chain.leads().is_some() && self.over.is_none();
        if leads != self.shown.leads {
            self.log.leads(leads);
        }
        let buffered = self.shared.inbox.buffered();
        self.log.buffers(self.shown.buffered, buffered);
        let resyncs = self.chain.pipeline().map_or(0, |pipeline| pipeline.resyncs());
        if resyncs > self.shown.resyncs {
            self.log.metrics.resyncs.increment(resyncs - self.shown.resyncs);
        }
        self.shown = Shown {
            leads,
            buffered,
            resyncs,
        };
    }
}

impl<E: ChainEngine> Drop for Part<E> {
    fn drop(&mut self) {
        self.log.buffers(self.shown.buffered, 0);
        if self.shown.leads {
            self.log.leads(false);
        }
    }
}
