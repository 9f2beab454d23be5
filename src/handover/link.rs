//! The connection between the two processes: frames, and descriptors beside them.

use super::codec::encode;
use super::error::LinkError;
use super::frame::{DESCRIPTORS_MAX, Frame, HEADER_BYTES, Header};
use super::kind::Kind;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg, sockopt,
};
use rustix::process::Pid;
use serde::Serialize;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Bytes of a payload that are read at one time: a length that lies reserves no more than this.
const READ_BYTES: usize = 256 * 1024;
/// Room for the descriptors of one frame.
const ANCILLARY_BYTES: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX));

/// A connection to the other process. Calls block for as long as its patience lasts.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
}

impl Link {
    /// To a process that listens at this path.
    pub fn connect(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).map(Self::new)
    }

    /// Over a connected socket that blocks.
    pub fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// How long a single call may wait for the other side; `None`: for ever.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(patience)?;
        self.stream.set_write_timeout(patience)
    }

    /// A handle by which another thread can break the connection off.
    pub fn breaker(&self) -> io::Result<Breaker> {
        self.stream.try_clone().map(Breaker)
    }

    /// The other process: for a socket that was accepted, the one that connected; else the one that
    /// listens.
    pub fn peer(&self) -> io::Result<Pid> {
        Ok(sockopt::socket_peercred(&self.stream)?.pid)
    }

    /// Whether the other process is one of our own user, or root.
    pub fn is_trusted(&self) -> bool {
        let ours = rustix::process::geteuid();
        sockopt::socket_peercred(&self.stream).is_ok_and(|peer| peer.uid == ours || peer.uid.is_root())
    }

    /// Sends a value.
    pub fn send(&self, kind: Kind, value: &impl Serialize) -> Result<(), LinkError> {
        self.send_with(kind, value, &[])
    }

    /// Sends a value, and descriptors beside it. They stay ours too.
    pub fn send_with(
        &self,
        kind: Kind,
        value: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), LinkError> {
        self.send_bytes(kind, &encode(value)?, descriptors)
    }

    /// Sends what is encoded already.
    pub fn send_bytes(&self, kind: Kind, payload: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        let header = Header::new(kind, payload.len(), descriptors.len());
        let header = header.ok_or(LinkError::Malformed("a frame that is too large"))?.bytes();
        let mut space = [MaybeUninit::uninit(); ANCILLARY_BYTES];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(LinkError::Malformed("more descriptors than a message takes"));
        }
        let whole = header.len() + payload.len();
        let mut sent = 0;
        while sent < whole {
            let parts = [
                IoSlice::new(header.get(sent..).unwrap_or_default()),
                IoSlice::new(payload.get(sent.saturating_sub(header.len())..).unwrap_or_default()),
            ];
            match sendmsg(&self.stream, &parts, &mut beside, SendFlags::NOSIGNAL) {
                Ok(bytes) => {
                    sent += bytes;
                    // They go with the first byte.
                    beside.clear();
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }

    /// The next frame.
    pub fn receive(&self) -> Result<Frame, LinkError> {
        let mut descriptors = Vec::new();
        let mut header = [0; HEADER_BYTES];
        self.fill(&mut header, &mut descriptors)?;
        let header = Header::parse(header)?;
        let mut payload = Vec::new();
        while payload.len() < header.payload_bytes {
            let begin = payload.len();
            payload.resize(header.payload_bytes.min(begin + READ_BYTES), 0);
            self.fill(&mut payload[begin..], &mut descriptors)?;
        }
        match descriptors.len() == header.descriptors {
            true => Ok(Frame {
                kind: header.kind,
                payload,
                descriptors,
            }),
            false => Err(LinkError::Malformed("another number of descriptors than it says")),
        }
    }

    /// The next frame, which has to be of this kind.
    pub fn expect(&self, kind: Kind, expected: &'static str) -> Result<Frame, LinkError> {
        let frame = self.receive()?;
        match frame.kind {
            found if found == kind => Ok(frame),
            Kind::Refused => Err(super::hello::Refused::of(&frame)?),
            found => Err(LinkError::Unexpected { found, expected }),
        }
    }

    /// Reads until the buffer is full.
    fn fill(&self, mut buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<(), LinkError> {
        while !buffer.is_empty() {
            let mut space = [MaybeUninit::uninit(); ANCILLARY_BYTES];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(buffer)];
            let received = match recvmsg(&self.stream, &mut into, &mut beside, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => received,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(io::Error::from(error).into()),
            };
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    descriptors.extend(rights);
                }
            }
            if received.flags.contains(ReturnFlags::CTRUNC) {
                // The kernel drops what the limit on open files has no room for.
                return Err(LinkError::Malformed("more descriptors than the process may have open"));
            }
            if received.bytes == 0 {
                return Err(LinkError::Closed);
            }
            if descriptors.len() > DESCRIPTORS_MAX {
                return Err(LinkError::Malformed("more descriptors than a frame may have"));
            }
            buffer = &mut buffer[received.bytes..];
        }
        Ok(())
    }
}

/// Breaks a connection off: calls that wait return at once.
#[derive(Debug)]
pub struct Breaker(UnixStream);

impl Breaker {
    /// Breaks it off.
    pub fn break_off(&self) {
        // It may be broken already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    fn pair() -> (Link, Link) {
        let (one, other) = UnixStream::pair().expect("a pair of sockets");
        let links = (Link::new(one), Link::new(other));
        for link in [&links.0, &links.1] {
            link.set_patience(Some(Duration::from_secs(20))).expect("a patience");
        }
        links
    }

    #[test]
    fn frames_and_descriptors_arrive_whole_and_in_order() {
        let (one, other) = pair();
        let sender = std::thread::spawn(move || {
            let large: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
            one.send(Kind::Ready, &1_u8).expect("sent");
            let mut ends = Vec::new();
            for round in 0..3_u8 {
                let (sockets, peers): (Vec<_>, Vec<_>) = (0..DESCRIPTORS_MAX)
                    .map(|_| UnixStream::pair().expect("a pair of sockets"))
                    .unzip();
                let fds: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
                one.send_with(Kind::Clients, &round, &fds).expect("sent");
                ends.push(peers);
            }
            one.send(Kind::Channel, &large).expect("sent");
            ends
        });
        assert_eq!(other.receive().expect("a frame").kind, Kind::Ready);
        let mut received = Vec::new();
        for round in 0..3_u8 {
            let frame = other.expect(Kind::Clients, "clients").expect("clients");
            assert_eq!(super::super::decode::<u8>(&frame.payload).expect("a number"), round);
            received.push(frame.descriptors);
        }
        let large = other.expect(Kind::Channel, "a channel").expect("a channel");
        let large: Vec<u8> = super::super::decode(&large.payload).expect("bytes");
        assert_eq!(large.len(), 3_000_000);
        let ends = sender.join().expect("no panic");
        for (end, descriptor) in ends.into_iter().flatten().zip(received.into_iter().flatten()) {
            let mut socket = UnixStream::from(descriptor);
            socket.write_all(b"x").expect("written");
            let mut byte = [0];
            (&end).read_exact(&mut byte).expect("read");
        }
        assert!(matches!(other.receive(), Err(LinkError::Closed)));
    }

    #[test]
    fn one_that_says_nothing_is_not_waited_for() {
        let (one, other) = pair();
        other.set_patience(Some(Duration::from_millis(20))).expect("a patience");
        assert!(matches!(other.receive(), Err(LinkError::TooLate)));
        let breaker = other.breaker().expect("a breaker");
        other.set_patience(None).expect("a patience");
        let waiting = std::thread::spawn(move || other.receive());
        breaker.break_off();
        assert!(matches!(waiting.join().expect("no panic"), Err(LinkError::Closed)));
        drop(one);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"\x05\0\0\0\x01\0\0\0ab",
            b"\0\0\0\0\x01\0\x01\0",
        ] {
            let (one, other) = pair();
            (&one.stream).write_all(bytes).expect("written");
            drop(one);
            assert!(other.receive().is_err(), "{bytes:?}");
        }
    }
}
