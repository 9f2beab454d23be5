//! What the access log says of a client at its end, without counting anything for it while it
//! lives: where it stands in the log less where it began.
//!
//! A client has an account if the access log was on when it joined.

use super::client::Client;
use super::clock::Tick;
use super::keys::ClientKey;
use super::slow_client::Lag;
use crate::access_log::{AccessLog, StreamEnd};
use crate::channel::{Coding, HistoryPlace};
use crate::log::{Cursor, Log, Read};
use crate::metrics::CloseReason;
use std::collections::HashMap;
use std::sync::Arc;

/// The accounts of a shard's clients.
pub(super) struct Accounts {
    log: Arc<AccessLog>,
    by_client: HashMap<ClientKey, Account>,
}

/// What is known of where a client has been.
pub(super) struct Account {
    /// Where it began.
    start: Cursor,
    start_bytes: Option<u64>,
    /// What it got from before the log, less what it was made to skip.
    other_events: i64,
    /// `None`: something of it is not known.
    other_bytes: Option<i64>,
}

impl Accounts {
    pub(super) fn new(log: Arc<AccessLog>) -> Self {
        Self {
            log,
            by_client: HashMap::new(),
        }
    }

    /// A client has joined, under this name.
    pub(super) fn open(&mut self, key: ClientKey, client: &Client, history: Option<&HistoryPlace>) {
        if !self.log.is_on() {
            return;
        }
        let log = client.subscription.channel().log();
        let (events, bytes) = history.map_or((0, 0), |history| {
            (history.entries().len(), history.bytes(false, Coding::Identity).len())
        });
        let account = Account {
            start: client.next,
            start_bytes: offset(log, client.next),
            other_events: events as i64,
            other_bytes: Some(bytes as i64),
        };
        self.by_client.insert(key, account);
    }

    /// A client's account, if it has one and there is to be a line.
    pub(super) fn close(&mut self, key: ClientKey, reason: CloseReason) -> Option<(Account, Arc<AccessLog>)> {
        let account = self.by_client.remove(&key)?;
        // A stream that is handed over goes on, and has its line there.
        let has_line = self.log.is_on() && reason != CloseReason::HandedOver;
        has_line.then(|| (account, self.log.clone()))
    }

    /// A client goes on at another place.
    pub(super) fn skipped(&mut self, key: ClientKey, log: &Log, from: Cursor, to: Cursor) {
        if let Some(account) = self.by_client.get_mut(&key) {
            account.other_events -= to.since(from) as i64;
            let bytes = offset(log, to)
                .zip(offset(log, from))
                .map(|(to, from)| to.saturating_sub(from));
            let other = account.other_bytes.zip(bytes);
            account.other_bytes = other.map(|(other, skipped)| other - skipped as i64);
        }
    }
}

impl Account {
    /// What there is to say of its client, whose stream has ended.
    pub(super) fn tell(self, to: &AccessLog, client: &Client, lag: Lag, now: Tick, reason: CloseReason) {
        let channel = client.subscription.channel();
        let log = channel.log();
        let bytes = self.start_bytes.zip(offset(log, client.next));
        let bytes = bytes.map(|(start, end)| end.saturating_sub(start) as i64);
        let bytes = bytes.zip(self.other_bytes).map(|(bytes, other)| bytes + other);
        let last = log.read(client.next.before());
        let last_id = match &last {
            Read::Entry(entry) => Some(&entry.id()[..]),
            Read::NotYet | Read::Gone => None,
        };
        let user = client.permit.grant().and_then(|grant| grant.user.as_ref());
        to.stream_ended(&StreamEnd {
            client: client.peer.address(),
            user: user.map(|user| format!("{user:?}")),
            source: channel.name(),
            protocol: client.subscription.protocol().label(),
            duration: now.since(client.opened),
            events: (client.next.since(self.start) as i64 + self.other_events).max(0) as u64,
            bytes: bytes.map(|bytes| bytes.max(0) as u64),
            last_id: last_id.filter(|id| !id.is_empty()),
            lag_events: lag.events,
            lag_bytes: lag.bytes,
            reason: reason.label(),
        });
    }
}

/// Bytes of a log's entries before a place; `None`: it has let go of what stood there.
fn offset(log: &Log, cursor: Cursor) -> Option<u64> {
    match log.read(cursor) {
        Read::Entry(entry) => Some(entry.offset),
        Read::Gone => None,
        Read::NotYet => match log.read(cursor.before()) {
            Read::Entry(entry) => Some(entry.offset + entry.chunked().len() as u64),
            // Nothing has been written.
            Read::NotYet | Read::Gone => (cursor <= Cursor::FIRST).then_some(0),
        },
    }
}
