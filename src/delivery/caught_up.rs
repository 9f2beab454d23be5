//! A client has caught up: it is at the head, and what comes from then on is live.

use super::client::{ClientState, Flow};
use super::keys::ClientKey;
use super::shard::Shard;
use super::slow_client::SlowState;
use crate::channel::live_block;
use crate::metrics::CloseReason;

impl Shard {
    /// A client whose `rest` is out stands in the log: live at the head, else in the queue of those
    /// that read on their own.
    pub(super) fn settle(&mut self, key: ClientKey) {
        let client = &self.clients[key];
        let shard_channel = &self.channels[client.channel_key];
        if client.next < shard_channel.target_of(client.has_caught_up) {
            self.replay_later(key);
        } else {
            match self.tell_caught_up(key) {
                Flow::Done => {}
                Flow::Blocked => return self.block(key),
                Flow::Broken(reason) => return self.left(key, reason),
            }
            if self.go_live(key) {
                return self.close(key, CloseReason::Ended);
            }
        }
        let delay = self.until_look(key);
        self.arm(key, delay);
    }

    /// The channel's next pass finds it. Whether there will be none, since the stream has ended.
    fn go_live(&mut self, key: ClientKey) -> bool {
        let client = &mut self.clients[key];
        client.state = ClientState::Live;
        client.slow_state = SlowState::LEVEL;
        let next = client.next;
        let channel = &self.channels[client.channel_key].channel;
        let ended = channel.end().is_some_and(|end| next > end.last);
        self.waiting_changed(key);
        ended
    }

    /// Tells a client that it has caught up, once, where the source names an event for that.
    fn tell_caught_up(&mut self, key: ClientKey) -> Flow {
        let now = self.clock.tick();
        let client = &mut self.clients[key];
        if std::mem::replace(&mut client.has_caught_up, true) {
            return Flow::Done;
        }
        let shard_channel = &mut self.channels[client.channel_key];
        let channel = &shard_channel.channel;
        let settings = channel.settings().load();
        let Some(event_type) = &settings.live_event else {
            return Flow::Done;
        };
        let block = live_block(event_type, channel.name());
        drop(settings);
        let bytes = shard_channel.own(client, block.as_bytes());
        let sent = &mut shard_channel.counts.bytes_sent;
        client.write_own(bytes, &mut self.connections, now, sent)
    }
}
