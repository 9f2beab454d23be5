//! What has been read of the log goes to clients.

use super::Driver;
use crate::fleet::apply::{apply_back, apply_behind};
use crate::fleet::engine::Engine;
use crate::fleet::local::Share;
use crate::fleet::member::News;
use crate::fleet::record::Stored;
use bytes::Bytes;
use std::time::Instant;

impl<E: Engine> Driver<E> {
    pub(super) fn read(&mut self, stored: &[Stored]) {
        self.answered_in_time(true);
        for stored in stored {
            let before = match self.writer.epoch() {
                None => self.member.reading.places().to_vec(),
                Some(_) => Vec::new(),
            };
            let led = self.member.leads();
            let (news, freed) = self.member.read(stored, Instant::now());
            let share = self.share(stored, news, (led, freed));
            self.shared.inbox.free(freed);
            if let (Some(news), Some(share)) = (news, share) {
                self.publish(stored, news, &before, share);
            }
        }
        self.writer.flush();
        if self.member.reading.read() >= self.opened_at {
            self.shared.can_give();
        }
        if !self.writer.channel().is_open()
            && self.writer.epoch().is_some()
            && self.member.reading.read() >= self.opened_at
        {
            self.writer.open();
        }
    }

    /// Gives clients what they are to get of a message.
    fn publish(&mut self, stored: &Stored, news: News, before: &[Bytes], share: Share) {
        let Some(back) = share.back else {
            return apply_behind(&mut self.writer, stored, news, before, share.behind);
        };
        if let Some(epoch) = self.member.reading.epoch() {
            self.writer.begin_again(epoch, stored.sequence, back.gap);
        }
        // What is missing has been told.
        let news = News {
            skipped: false,
            is_anew: back.gap.is_some(),
            ..news
        };
        apply_back(&mut self.writer, stored, news, share.behind);
    }
}
