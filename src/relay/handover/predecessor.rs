//! The new process's side: the process that it takes over from.

use super::error::TakeOverError;
use super::inherited::{CarriedListener, Inherited};
use super::receiving::Taken;
use super::records::{Left, Ready, Yours};
use super::state::HandOver;
use crate::config::Source;
use crate::handover::{FORMATS, Hello, Kind, Link, LinkError, Welcome, decode};
use crate::quotas::Quotas;
use crate::relay::in_force::InForce;
use crate::source::{Basis, Registry};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long the process before may take for any one step: it stops what it does at once.
const STEP_MAX: Duration = Duration::from_secs(10);
/// After the connection has ended: how long the process may take to be gone, if that is why.
const GONE_MAX: Duration = Duration::from_secs(1);

/// The process that this one takes over from.
pub(in crate::relay) struct Predecessor {
    link: Link,
    /// It ends when the process does.
    process: Option<OwnedFd>,
    version: String,
    began: Instant,
}

impl Predecessor {
    /// Finds the process behind a control socket, which may open so many files here, and asks to
    /// take over from it.
    pub(in crate::relay) fn find(path: &Path, descriptors: u64) -> Result<Self, TakeOverError> {
        let link = Link::connect(path).map_err(|error| TakeOverError::Nobody {
            path: path.to_owned(),
            error,
        })?;
        if !link.is_trusted() {
            return Err(TakeOverError::NotTrusted(path.to_owned()));
        }
        link.set_patience(Some(STEP_MAX)).map_err(LinkError::from)?;
        let peer = link.peer().map_err(LinkError::from)?;
        let hello = Hello::new(FORMATS, env!("CARGO_PKG_VERSION"), descriptors);
        link.send_bytes(Kind::TakeOver, &hello.bytes()?, &[])?;
        let welcome = Welcome::of(&link.receive()?)?;
        if FORMATS.agree(crate::handover::Formats::only(welcome.format)).is_none() {
            return Err(LinkError::Malformed("a format that was not offered").into());
        }
        tracing::info!(
            process = peer.as_raw_nonzero().get(),
            version = welcome.version,
            "taking over from another process"
        );
        Ok(Self {
            // Without it a process that is gone looks like one that has given up.
            process: pidfd_open(peer, PidfdFlags::empty()).ok(),
            link,
            version: welcome.version,
            began: Instant::now(),
        })
    }

    /// Its listening sockets.
    pub(in crate::relay) fn sockets(&self) -> Result<Inherited, TakeOverError> {
        let frame = self.link.expect(Kind::Listeners, "listeners")?;
        let carried: Vec<CarriedListener> = decode(&frame.payload)?;
        match carried.len() == frame.descriptors.len() {
            true => Ok(Inherited::new(carried.into_iter().zip(frame.descriptors))),
            false => Err(LinkError::Malformed("listeners without their sockets").into()),
        }
    }

    /// This process has everything else: from now on nobody is served, until what is given is
    /// here.
    pub(in crate::relay) fn ready(&self, inherited: &Inherited, sources: &[Arc<Source>]) -> Result<(), TakeOverError> {
        let ready = Ready {
            listeners: inherited.taken().to_vec(),
            sources: sources.iter().map(|source| Basis::of(source)).collect(),
        };
        Ok(self.link.send(Kind::Ready, &ready)?)
    }

    /// All that it gives: the sources are opened with it.
    pub(in crate::relay) fn receive(
        &self,
        registry: &Registry,
        sources: &[Arc<Source>],
        quotas: &Arc<Quotas>,
    ) -> Result<Taken, TakeOverError> {
        Taken::receive(&self.link, registry, sources, quotas)
    }

    /// This process holds all of it. Once this returns it is its own: the process before touches it
    /// no more.
    pub(in crate::relay) fn held(&self, taken: &mut Taken) -> Result<(), TakeOverError> {
        self.link.send(Kind::Held, &())?;
        match self.link.expect(Kind::Yours, "that it is ours") {
            Ok(frame) => {
                let yours: Yours = decode(&frame.payload)?;
                taken.stay = yours.stay;
                Ok(())
            }
            // Killed before its last word: nobody else has it any more.
            Err(LinkError::Closed) if self.is_gone() => {
                tracing::warn!("the process before has ended: everything is this one's all the same");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the process has ended, or does so in a moment.
    fn is_gone(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let timeout = Timespec::try_from(GONE_MAX).ok();
        let mut waiting = [PollFd::new(process, PollFlags::IN)];
        matches!(poll(&mut waiting, timeout.as_ref()), Ok(1..))
    }

    /// It is done: says so, and waits on a thread of its own for what becomes of those that stayed
    /// there.
    pub(in crate::relay) fn done(self, (clients, stay): (u64, u64), hand_over: &HandOver, in_force: Weak<InForce>) {
        let (version, took) = (&self.version, self.began.elapsed());
        tracing::info!(version, clients, stay, ?took, "taken over");
        let said = format!(
            "from fanfare {version}, within {} ms; {stay} stayed there",
            took.as_millis()
        );
        hand_over.taken(clients, said);
        let watching = std::thread::Builder::new().name("handover".to_owned());
        let watching = watching.spawn(move || {
            let left = self.left(stay);
            let (drained, cut) = (left.drained, left.cut);
            tracing::info!(drained, cut, "the process before has left");
            if let Some(in_force) = in_force.upgrade() {
                in_force.hand_over.left(left);
            }
        });
        if let Err(error) = watching {
            tracing::warn!(%error, "what stays with the process before is not counted");
        }
    }

    /// What became of those that stayed there. Where the process ends without a word they were cut.
    fn left(&self, stay: u64) -> Left {
        let told = self.link.set_patience(None).map_err(LinkError::from);
        let told = told.and_then(|()| self.link.expect(Kind::Left, "that it has left"));
        told.and_then(|frame| decode(&frame.payload))
            .unwrap_or(Left { drained: 0, cut: stay })
    }
}
