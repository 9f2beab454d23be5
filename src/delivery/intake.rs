//! What a shard waits for: readiness of its clients' sockets, and notes from other threads.

use super::keys::{ClientRef, ConnectionRef};
use super::mailbox::{Mailbox, MailboxSender, mailbox};
use super::note::Note;
use crate::net::Stream;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The waker's token; those of clients and connections are below it.
pub(super) const WAKER: Token = Token(usize::MAX);

/// The poll and the mailbox of one shard.
pub(super) struct Intake {
    poll: Poll,
    mailbox: Mailbox<Note>,
    sender: MailboxSender<Note, Waker>,
}

impl Intake {
    pub(super) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let (sender, mailbox) = mailbox(Arc::new(Waker::new(poll.registry(), WAKER)?));
        Ok(Self { poll, mailbox, sender })
    }

    /// The other end of its mailbox.
    pub(super) fn sender(&self) -> &MailboxSender<Note, Waker> {
        &self.sender
    }

    /// Watches a client's socket until that is closed: both directions, edge-triggered, so that
    /// nothing is ever modified. Registering reports what holds already: a client that left before
    /// is seen.
    pub(super) fn watch(&self, stream: &mut Stream, client: ClientRef) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream, client.token(), interest)
    }

    /// Watches a socket no longer. One that stays open in another process would be told of for ever.
    pub(super) fn unwatch(&self, stream: &mut Stream) {
        if let Err(error) = self.poll.registry().deregister(stream) {
            tracing::warn!(%error, "a socket that was handed over is still watched");
        }
    }

    /// Waits for the next note, and for nothing else: readiness stays where it is until the next look.
    /// `None`: there is no sender any more.
    pub(super) fn wait_for_note(&self) -> Option<Note> {
        self.mailbox.wait()
    }

    /// Watches the socket of an HTTP/2 connection, in the same way.
    pub(super) fn watch_connection(&self, stream: &mut Stream, connection: ConnectionRef) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(stream, connection.token(), interest)
    }

    /// The next note that is there already.
    pub(super) fn take(&self) -> Option<Note> {
        self.mailbox.take()
    }

    /// Takes up readiness without waiting for it.
    pub(super) fn look(&mut self, events: &mut Events) -> io::Result<()> {
        self.poll(events, Some(Duration::ZERO))
    }

    /// Sleeps until something comes, or for so long. A note that came before the sleep is returned.
    pub(super) fn sleep(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<Option<Note>> {
        let missed = self.mailbox.fall_asleep();
        let timeout = if missed.is_some() {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        self.poll(events, timeout)?;
        self.mailbox.woke();
        Ok(missed)
    }

    fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            // epoll_wait fails otherwise only for reasons that don't pass: a bad descriptor or a
            // bad address.
            polled => polled?,
        }
        Ok(())
    }
}
