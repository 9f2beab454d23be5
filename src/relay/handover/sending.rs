//! What is behind the sockets, as frames.

use crate::delivery::{CarriedClient, Taker};
use crate::handover::{DESCRIPTORS_MAX, Kind, Link, LinkError, encode};
use crate::source::{CarriedPlace, GivenChannel};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of upstreams in one frame, but for the last of them: one in the middle of a large event has
/// all of that.
const UPSTREAMS_BYTES: usize = 1 << 20;

/// Bytes of a log that are written at once: nothing moves meanwhile.
const LOG_AT_ONCE: usize = 256 * 1024;

/// Sends clients, as the shards give them: several at the same time.
pub(super) struct Sending {
    link: Arc<Link>,
    /// A frame goes as a whole.
    alone: Mutex<()>,
}

impl Sending {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let alone = Mutex::default();
        Self { link, alone }
    }
}

impl Taker for Sending {
    fn clients(&self, clients: &[CarriedClient], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        // Written while another shard sends.
        let payload = encode(&clients).map_err(io::Error::other)?;
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = self.link.send_bytes(Kind::Clients, &payload, sockets);
        sent.map_err(io::Error::other)
    }
}

/// Sends a channel, and its log as a file in memory.
pub(super) fn send_log(link: &Link, given: &GivenChannel) -> Result<(), LinkError> {
    let memory = memfd_create("fanfare-log", MemfdFlags::CLOEXEC).map_err(io::Error::from)?;
    let mut log = BufWriter::with_capacity(LOG_AT_ONCE, File::from(memory));
    given.write_log(&mut log)?;
    log.flush()?;
    let mut log = log.into_inner().map_err(io::IntoInnerError::into_error)?;
    log.rewind()?;
    link.send_with(Kind::Channel, &given.carried, &[log.as_fd()])
}

/// Sends upstreams, each with the socket of its connection if that goes over; how many there were.
pub(super) fn send_upstreams(
    link: &Link,
    upstreams: &[(&CarriedPlace, Option<BorrowedFd<'_>>)],
) -> Result<u64, LinkError> {
    let mut some: Vec<(Vec<u8>, bool)> = Vec::new();
    let (mut sockets, mut bytes) = (Vec::new(), 0);
    for (carried, socket) in upstreams {
        let carried = encode(carried)?;
        bytes += carried.len();
        some.push((carried, socket.is_some()));
        sockets.extend(socket);
        if bytes >= UPSTREAMS_BYTES || some.len() == DESCRIPTORS_MAX {
            link.send_with(Kind::Upstreams, &some, &sockets)?;
            (some, sockets, bytes) = (Vec::new(), Vec::new(), 0);
        }
    }
    if !some.is_empty() {
        link.send_with(Kind::Upstreams, &some, &sockets)?;
    }
    Ok(upstreams.len() as u64)
}
