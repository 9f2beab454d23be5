//! What a shard knows of the clients at one address.

use super::client::{Client, ClientState};
use super::keys::ClientKey;
use super::report::{ClientReport, FoundClient, Whereabouts};
use super::shard::Shard;

/// Streams that are told of one by one: a proxy in front can have all of them.
const FOUND_MAX: usize = 100;

impl Shard {
    /// The clients there, [`FOUND_MAX`] at the most.
    pub(super) fn find(&self, whereabouts: Whereabouts) -> Vec<FoundClient> {
        let there = self
            .clients
            .iter()
            .filter(|(_, client)| whereabouts.includes(client.peer.address()));
        there
            .take(FOUND_MAX)
            .map(|(key, client)| self.found(key, client))
            .collect()
    }

    fn found(&self, key: ClientKey, client: &Client) -> FoundClient {
        let (now, lag, channel) = (self.clock.tick(), self.lag(key), client.subscription.channel());
        let grant = client.permit.grant();
        FoundClient {
            source: channel.name().to_owned(),
            report: ClientReport {
                peer: client.peer.address(),
                protocol: client.subscription.protocol(),
                lag_events: lag.events,
                lag_bytes: lag.bytes,
                stalled: lag.stalled,
                connected: now.since(client.opened),
            },
            state: match client.state {
                ClientState::Live => "live",
                ClientState::Replaying => "replaying",
                ClientState::Blocked => "blocked",
                ClientState::Closing(_) => "closing",
            },
            last_event_id: channel.log().id_before(client.next),
            silent: now.since(client.active),
            leaves: client.leaves.map(|reason| (reason, client.leave_at.since(now))),
            user: grant.and_then(|grant| grant.user.clone()),
            expires: grant.and_then(|grant| grant.expires),
        }
    }
}
