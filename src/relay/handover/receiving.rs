//! What is behind the sockets, from the process before.

use super::error::TakeOverError;
use super::records::Counts;
use crate::channel::Channel;
use crate::config::Source;
use crate::delivery::{CarriedClient, TakenClients};
use crate::handover::{Frame, Kind, Link, LinkError, decode};
use crate::http::{CarriedConnection, Unasked};
use crate::quotas::Quotas;
use crate::relay::in_force::InForce;
use crate::source::{CarriedChannel, CarriedPlace, Registry, TakenUpstreams};
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

/// Bytes of a log that are read at once: nothing moves meanwhile.
const LOG_AT_ONCE: usize = 256 * 1024;

/// What is taken over, and is still the process before's.
#[derive(Default)]
pub(in crate::relay) struct Taken {
    upstreams: TakenUpstreams,
    upstreams_count: u64,
    clients: TakenClients,
    unasked: Vec<Unasked>,
    /// Clients that stay with the process before.
    pub(super) stay: u64,
}

/// The channels, as they come: the first frame of another kind ends them.
struct Channels<'a> {
    link: &'a Link,
    after: Option<Result<Frame, LinkError>>,
}

impl Iterator for Channels<'_> {
    type Item = (CarriedChannel, BufReader<File>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.after.is_some() {
            return None;
        }
        let read = self.link.receive().and_then(|frame| match frame.kind {
            Kind::Channel => channel(frame).map(Ok),
            _ => Ok(Err(frame)),
        });
        match read {
            Ok(Ok(channel)) => return Some(channel),
            Ok(Err(other)) => self.after = Some(Ok(other)),
            Err(error) => self.after = Some(Err(error)),
        }
        None
    }
}

fn channel(frame: Frame) -> Result<(CarriedChannel, BufReader<File>), LinkError> {
    let carried = decode(&frame.payload)?;
    let [log] = <[_; 1]>::try_from(frame.descriptors).map_err(|_| LinkError::Malformed("a channel without its log"))?;
    let log = File::from(log);
    // What is no file could make the reading wait for ever.
    match log.metadata()?.is_file() {
        true => Ok((carried, BufReader::with_capacity(LOG_AT_ONCE, log))),
        false => Err(LinkError::Malformed("a log that is no file")),
    }
}

impl Taken {
    /// All that the process before gives. The sources are opened with it; nothing moves yet.
    pub(super) fn receive(
        link: &Link,
        registry: &Registry,
        sources: &[Arc<Source>],
        quotas: &Arc<Quotas>,
    ) -> Result<Self, TakeOverError> {
        let mut coming = Channels { link, after: None };
        let channels = registry.open_with(sources, &mut coming)?;
        let mut taken = Self::default();
        let mut frame = coming.after.unwrap_or_else(|| link.receive())?;
        loop {
            match frame.kind {
                Kind::Upstreams => taken.upstreams(frame)?,
                Kind::Clients => taken.clients(frame, &channels, quotas)?,
                Kind::Pending => taken.unasked(frame, quotas)?,
                Kind::End => break,
                found => {
                    let expected = "what it gives";
                    return Err(LinkError::Unexpected { found, expected }.into());
                }
            }
            frame = link.receive()?;
        }
        let here = Counts {
            channels: channels.len() as u64,
            upstreams: taken.upstreams_count,
            clients: taken.clients.len() as u64,
            unasked: taken.unasked.len() as u64,
        };
        match here == decode(&frame.payload)? {
            true => Ok(taken),
            false => Err(LinkError::Malformed("another number of things than it says").into()),
        }
    }

    fn upstreams(&mut self, frame: Frame) -> Result<(), TakeOverError> {
        let carried: Vec<(Vec<u8>, bool)> = decode(&frame.payload)?;
        let mut sockets = frame.descriptors.into_iter();
        for (carried, has_socket) in carried {
            let carried: CarriedPlace = decode(&carried)?;
            let socket = match has_socket {
                true => Some(
                    sockets
                        .next()
                        .ok_or(LinkError::Malformed("an upstream without its socket"))?,
                ),
                false => None,
            };
            self.upstreams.take(carried, socket);
            self.upstreams_count += 1;
        }
        match sockets.next() {
            None => Ok(()),
            Some(_) => Err(LinkError::Malformed("a socket without its upstream").into()),
        }
    }

    fn clients(&mut self, frame: Frame, channels: &[Arc<Channel>], quotas: &Arc<Quotas>) -> Result<(), TakeOverError> {
        let carried: Vec<CarriedClient> = decode(&frame.payload)?;
        if carried.len() != frame.descriptors.len() {
            return Err(LinkError::Malformed("clients without their sockets").into());
        }
        for (carried, socket) in carried.into_iter().zip(frame.descriptors) {
            self.clients.take(carried, socket, channels, quotas)?;
        }
        Ok(())
    }

    fn unasked(&mut self, frame: Frame, quotas: &Arc<Quotas>) -> Result<(), TakeOverError> {
        let carried: Vec<CarriedConnection> = decode(&frame.payload)?;
        if carried.len() != frame.descriptors.len() {
            return Err(LinkError::Malformed("connections without their sockets").into());
        }
        for (carried, socket) in carried.into_iter().zip(frame.descriptors) {
            let unasked = Unasked::going_on(carried, socket, quotas.descriptors());
            let unasked = unasked.map_err(LinkError::from)?;
            self.unasked.push(unasked.ok_or(TakeOverError::Descriptors)?);
        }
        Ok(())
    }

    /// Clients that go on here, and those that stay with the process before.
    pub(in crate::relay) fn counts(&self) -> (u64, u64) {
        (self.clients.len() as u64, self.stay)
    }

    /// It is this process's: everything moves again.
    pub(in crate::relay) fn begin(self, in_force: &InForce) {
        in_force.shards.adopt(self.clients);
        in_force.registry().begin(self.upstreams);
        // Who may no longer read by the new configuration leaves.
        in_force.expire_clients();
        let _runtime = in_force.runtime.enter();
        for unasked in self.unasked {
            in_force.server.serve_unasked(unasked);
        }
    }
}
