//! What holds between the parts of a shard after each turn: checked in debug builds, and so by
//! every test that runs a relay.

use super::client::{AfterRest, Client, ClientState};
use super::keys::ClientKey;
use super::shard::Shard;
use super::shard_channel::ShardChannel;
use crate::channel::Coding;

/// Clients and channels up to which everything is looked at; of more, a sample is.
const ALL_UP_TO: usize = 64;
/// How many are looked at then: a turn of a large shard must not take much longer than in a release
/// build.
const SAMPLE: usize = 8;

impl Shard {
    /// Panics if something doesn't hold.
    pub(super) fn check(&self) {
        let all = self.clients.len();
        if all <= ALL_UP_TO {
            self.clients
                .iter()
                .for_each(|(key, client)| self.check_client(key, client));
            self.check_all();
        } else {
            let sample = self.clients.from(fastrand::usize(..all)).take(SAMPLE);
            sample.for_each(|(key, client)| self.check_client(key, client));
        }
    }

    /// A client stands where its state says, and once.
    fn check_client(&self, key: ClientKey, client: &Client) {
        let shard_channel = &self.channels[client.channel_key];
        assert_eq!(
            shard_channel.clients.get(client.index as usize),
            Some(&key),
            "not in its channel's list"
        );
        assert!(
            self.clients.is_timed(key),
            "{:?}, and never looked at again",
            client.state
        );
        // Settings that were just replaced let it be missing until it moves or is looked at.
        let waits = shard_channel.waiting.cursor_of(key);
        assert!(
            waits.is_none() || waits == client.waits_at(),
            "where the upstream waits for it"
        );
        assert!(
            client.rest.as_ref().is_none_or(|rest| !rest.is_empty()),
            "nothing left is no `rest`"
        );
        match client.state {
            ClientState::Live => {
                assert!(
                    client.rest.is_none() && !client.sink.wants_write() && client.after_rest == AfterRest::Log,
                    "live with something before the log"
                );
                check_place(client, shard_channel);
            }
            ClientState::Replaying | ClientState::Blocked => {
                assert!(matches!(client.after_rest, AfterRest::Log | AfterRest::Skip));
            }
            ClientState::Closing(_) => {
                assert!(matches!(client.after_rest, AfterRest::Farewell | AfterRest::Nothing));
            }
        }
    }

    /// What only a look at all of them shows.
    fn check_all(&self) {
        let channels = || self.channels.iter().map(|(_, shard_channel)| shard_channel);
        let listed: usize = channels().map(|shard_channel| shard_channel.clients.len()).sum();
        assert_eq!(listed, self.clients.len(), "a client stands in two lists");
        for shard_channel in channels() {
            let members = match shard_channel.coding {
                Coding::Identity => 0,
                Coding::Gzip => shard_channel.clients.len(),
            };
            assert_eq!(
                shard_channel.members.len(),
                members,
                "what is remembered of compressed clients"
            );
        }
        let times = self.clients.replaying();
        for (key, client) in self.clients.iter() {
            let wanted = usize::from(client.state == ClientState::Replaying);
            let times = times.get(&key.index()).copied().unwrap_or_default();
            assert_eq!(times, wanted, "{:?} in the queue of replays", client.state);
        }
        self.channels.check();
        assert!(self.channels.waiting.is_empty(), "a publishing side has not been told");
        for (key, shard_channel) in self.channels.iter() {
            assert!(!shard_channel.clients.is_empty(), "a channel without clients");
            let pass = shard_channel.pass.is_some();
            assert!(
                !pass || self.channels.working.contains(key),
                "a pass that does not go on"
            );
            let staggers = shard_channel
                .cursor
                .as_ref()
                .is_some_and(|cursor| cursor.is_under_way());
            assert_eq!(staggers, self.channels.staggering.contains(key), "a cursor's way round");
            let keeps = self.channels.replayed.contains(key);
            assert!(keeps || !shard_channel.keeps_replays(), "a batch that is kept for ever");
        }
    }
}

/// A live client has been offered everything up to where its channel's pass is.
fn check_place(client: &Client, shard_channel: &ShardChannel) {
    let next = match (&shard_channel.pass, &shard_channel.cursor) {
        // It waits for the cursor, up to which each has what it has.
        (_, Some(cursor)) if cursor.is_under_way() => return,
        (Some(pass), _) if (client.index as usize) < pass.index => pass.batch.to,
        _ => shard_channel.next,
    };
    assert!(
        client.next >= next,
        "live and left behind at {:?}, not {next:?}",
        client.next
    );
}
