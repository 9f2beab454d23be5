//! Clients that a predecessor process has given: checked and counted, and nothing is written to them
//! yet. They still are the predecessor's, until the shards adopt them.

use super::carried::{CarriedAfterRest, CarriedClient, CarriedRest, CarriedState};
use super::framing::Framing;
use crate::channel::{Channel, Coding, Subscription};
use crate::log::{Cursor, Read};
use crate::metrics::{CloseReason, EvictReason, Protocol};
use crate::net::Stream;
use crate::quotas::{ClientPermit, Quotas};
use bytes::Bytes;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Clients that were given. Dropping them closes their descriptors, and leaves their sockets as they
/// are.
#[derive(Default)]
pub struct TakenClients {
    pub(super) clients: Vec<TakenClient>,
    /// Those that were inside an event which the log of this process does not keep: they can't have
    /// the rest of it.
    cut: Vec<TakenClient>,
}

/// One of them.
pub(super) struct TakenClient {
    pub(super) carried: CarriedClient,
    pub(super) rest: Option<Bytes>,
    pub(super) stream: Stream,
    pub(super) subscription: Subscription,
    pub(super) permit: ClientPermit,
    /// With which it ends, or will.
    pub(super) leaves: Option<CloseReason>,
}

/// Why a client could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeClientError {
    /// The limit on open files leaves no room for it.
    #[error("the limit on open files leaves no room for all clients")]
    Descriptors,
    /// Its descriptor is not what a client's is.
    #[error("a client's descriptor is no socket: {0}")]
    Socket(#[from] io::Error),
    /// No process has written it so.
    #[error("a client that there can't be: {0}")]
    Damaged(&'static str),
}

use TakeClientError::Damaged;

impl TakenClients {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len() + self.cut.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes one more. `channels`: in the order in which they were given.
    pub fn take(
        &mut self,
        carried: CarriedClient,
        socket: OwnedFd,
        channels: &[Arc<Channel>],
        quotas: &Arc<Quotas>,
    ) -> Result<(), TakeClientError> {
        let channel = usize::try_from(carried.channel).ok().and_then(|n| channels.get(n));
        let channel = channel.ok_or(Damaged("its channel"))?;
        check(&carried, channel)?;
        let grant = match &carried.grant {
            None => None,
            Some(grant) => Some(Arc::new(grant.taken().ok_or(Damaged("its user"))?)),
        };
        let leaves = match &carried.leaves {
            None => None,
            Some(leave) => Some(leave.reason().ok_or(Damaged("why it leaves"))?),
        };
        let rest = rest(&carried, channel)?;
        let no_descriptor = |_| TakeClientError::Descriptors;
        let permit = quotas.take_over(carried.peer.ip(), grant).map_err(no_descriptor)?;
        let descriptor = quotas.descriptors().take().ok_or(TakeClientError::Descriptors)?;
        let protocol = match carried.is_http10 {
            true => Protocol::Http10,
            false => Protocol::Http11,
        };
        let is_cut = rest.is_none() && carried.rest != CarriedRest::Nothing;
        let client = TakenClient {
            stream: Stream::going_on(socket, descriptor)?,
            subscription: channel.subscribe(protocol),
            carried,
            rest,
            permit,
            leaves,
        };
        match is_cut {
            true => self.cut.push(client),
            false => self.clients.push(client),
        }
        Ok(())
    }

    /// Ends those that can't go on: their connections fail, so that they know that the event was not
    /// whole.
    pub(super) fn cut(&mut self) {
        for client in self.cut.drain(..) {
            let metrics = client.subscription.channel().metrics();
            metrics.evictions[EvictReason::Log as usize].increment(1);
            metrics.closed[CloseReason::Evicted as usize].increment(1);
            client.stream.reset_on_close();
        }
    }
}

impl CarriedClient {
    pub(super) fn framing(&self) -> Framing {
        match self.is_chunked {
            true => Framing::Chunked,
            false => Framing::Plain,
        }
    }

    pub(super) fn coding(&self) -> Coding {
        match self.gzip {
            Some(_) => Coding::Gzip,
            None => Coding::Identity,
        }
    }

    pub(super) fn next(&self) -> Cursor {
        Cursor::nth(self.next)
    }
}

/// That a client is one that a shard can have.
fn check(carried: &CarriedClient, channel: &Channel) -> Result<(), TakeClientError> {
    let next = carried.next();
    if next == Cursor::START || next > channel.log().head().next() {
        return Err(Damaged("its place in the log"));
    }
    let has_rest = carried.rest != CarriedRest::Nothing;
    use CarriedAfterRest::{Farewell, Log, Nothing, Skip};
    let fits = match (carried.state, carried.after_rest) {
        (CarriedState::Live, Log) => !has_rest,
        (CarriedState::Replaying | CarriedState::Blocked, Log | Skip) => true,
        (CarriedState::Closing, Farewell | Nothing) => carried.leaves.is_some(),
        _ => false,
    };
    let is_empty = matches!(&carried.rest, CarriedRest::Own(bytes) if bytes.is_empty());
    // Of a compressed client, the entry is in no form that its stream has.
    let is_readable = match carried.rest {
        CarriedRest::OfEntry(left) => left > 0 && carried.coding() == Coding::Identity,
        CarriedRest::Nothing | CarriedRest::Own(_) => true,
    };
    match fits && !is_empty && is_readable {
        true => Ok(()),
        false => Err(Damaged("what it is doing")),
    }
}

/// What has to go out before the log. `None`: nothing, or what this log does not keep.
fn rest(carried: &CarriedClient, channel: &Channel) -> Result<Option<Bytes>, TakeClientError> {
    let left = match &carried.rest {
        CarriedRest::Nothing => return Ok(None),
        CarriedRest::Own(bytes) => return Ok(Some(bytes.clone().into())),
        CarriedRest::OfEntry(left) => *left,
    };
    let Read::Entry(entry) = channel.log().read(carried.next().before()) else {
        return Ok(None);
    };
    let whole = carried.framing().of(&entry);
    let left = usize::try_from(left)
        .ok()
        .and_then(|left| whole.len().checked_sub(left));
    let begin = left.ok_or(Damaged("more of an event than it has"))?;
    Ok(Some(whole.slice(begin..)))
}
