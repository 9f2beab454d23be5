//! The shard's thread: what it owns, and one turn of its loop.
//!
//! A turn is bounded in everything it does, so that nothing (a large channel, a client that replays, a thousand evictions) holds up
//! the rest by more than a fraction of a millisecond or so; what is left is done in the next turn, which then doesn't sleep.

use super::NewClient;
use super::client::{Client, ClientState, reason_of, reason_of_end};
use super::clock::{Clock, TICK};
use super::mailbox::{Mailbox, MailboxSender};
use super::report::ShardReport;
use super::shard_channel::ShardChannel;
use super::wheel::{Due, Wheel};
use crate::config::Drain;
use crate::metrics::CloseReason;
use mio::{Events, Poll, Token};
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

/// The waker's token; clients' tokens are below it.
pub(super) const WAKER: Token = Token(usize::MAX);
/// Readiness events taken at one time.
const EVENTS_PER_TURN: usize = 256;
/// Notes (new clients, wake-ups) handled in one turn.
const NOTES_PER_TURN: usize = 64;
/// Timers looked at in one turn: some of them close a socket.
const LOOKS_PER_TURN: usize = 64;
/// How often counts reach the metrics.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// A channel's key in the shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChannelKey(pub(super) u32);

/// What reaches a shard from other threads.
pub(super) enum Note {
    /// Something was published to this channel.
    Published(ChannelKey),
    /// Something to do.
    Command(Command),
}

pub(super) enum Command {
    Join(Box<NewClient>),
    Drain(Drain),
    Report(tokio::sync::oneshot::Sender<ShardReport>),
    Stop,
}

impl From<ChannelKey> for Note {
    fn from(key: ChannelKey) -> Self {
        Note::Published(key)
    }
}

/// A shard: everything here belongs to its thread alone.
pub(super) struct Shard {
    pub(super) poll: Poll,
    mailbox: Mailbox<Note>,
    pub(super) mailbox_sender: MailboxSender<Note, mio::Waker>,
    pub(super) clients: Slab<Client>,
    pub(super) channels: Slab<ShardChannel>,
    /// Channels by the address of their channel, which they keep alive.
    pub(super) channel_keys: HashMap<usize, u32>,
    /// Channels with a pass to make or to go on with, each once.
    pub(super) working: VecDeque<u32>,
    /// Clients that read the log on their own, each once: key and generation.
    pub(super) replaying: VecDeque<Due>,
    /// Channels that keep a batch for them.
    pub(super) replayed: Vec<u32>,
    /// Channels in which a client began to wait, moved or ceased to wait, each once (`pause`).
    pub(super) holding: Vec<u32>,
    /// Channels that are being staggered.
    pub(super) staggering: Vec<u32>,
    pub(super) wheel: Wheel,
    due: VecDeque<Due>,
    due_scratch: Vec<Due>,
    pub(super) clock: Clock,
    pub(super) generation: u32,
    pub(super) draining: Option<Draining>,
    counts_due: Instant,
    stopped: bool,
}

/// A drain under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draining {
    pub(super) until: super::clock::Tick,
}

impl Shard {
    pub(super) fn new(poll: Poll, mailbox: Mailbox<Note>, mailbox_sender: MailboxSender<Note, mio::Waker>) -> Self {
        let clock = Clock::new();
        Self {
            poll,
            mailbox,
            mailbox_sender,
            clients: Slab::new(),
            channels: Slab::new(),
            channel_keys: HashMap::new(),
            working: VecDeque::new(),
            replaying: VecDeque::new(),
            replayed: Vec::new(),
            holding: Vec::new(),
            staggering: Vec::new(),
            wheel: Wheel::new(),
            due: VecDeque::new(),
            due_scratch: Vec::new(),
            counts_due: clock.now() + COUNTS_EVERY,
            clock,
            generation: 0,
            draining: None,
            stopped: false,
        }
    }

    /// Until it is told to stop, or its poll fails.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        while !self.stopped {
            self.sleep(&mut events)?;
            for event in &events {
                if event.token() != WAKER {
                    self.ready(event);
                }
            }
            for _ in 0..NOTES_PER_TURN {
                let Some(note) = self.mailbox.take() else { break };
                self.handle(note);
            }
            self.passes();
            self.staggers();
            self.replays();
            self.timers();
            self.tell_holds();
            self.counts();
        }
        Ok(())
    }

    /// Waits for something to do, if there is nothing.
    fn sleep(&mut self, events: &mut Events) -> io::Result<()> {
        let mut missed = None;
        let mut timeout = Some(Duration::ZERO);
        if self.idle() {
            missed = self.mailbox.fall_asleep();
            if missed.is_none() {
                timeout = self.until_next_timer();
            }
        }
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            // epoll_wait fails otherwise only for reasons that don't pass: a bad descriptor or a bad address.
            polled => polled?,
        }
        self.mailbox.woke();
        self.clock.refresh();
        if let Some(note) = missed {
            self.handle(note);
        }
        Ok(())
    }

    fn idle(&self) -> bool {
        self.working.is_empty() && self.replaying.is_empty() && self.due.is_empty()
    }

    fn until_next_timer(&self) -> Option<Duration> {
        let counts =
            (!self.channels.is_empty()).then(|| self.counts_due.saturating_duration_since(self.clock.now()).max(TICK));
        let looks = self.wheel.next(self.clock.ticks());
        counts.into_iter().chain(looks).chain(self.until_next_visit()).min()
    }

    fn handle(&mut self, note: Note) {
        match note {
            Note::Published(ChannelKey(key)) => self.has_work(key),
            Note::Command(Command::Join(new_client)) => self.join(*new_client),
            Note::Command(Command::Drain(drain)) => self.drain(&drain),
            Note::Command(Command::Report(answer)) => {
                // Who asked may have given up.
                let _ = answer.send(self.report());
            }
            Note::Command(Command::Stop) => self.stopped = true,
        }
    }

    /// Queues a channel for a pass.
    pub(super) fn has_work(&mut self, key: u32) {
        if let Some(shard_channel) = self.channels.get_mut(key as usize)
            && !shard_channel.queued
        {
            shard_channel.queued = true;
            self.working.push_back(key);
        }
    }

    /// Takes up a client's readiness. The token's upper half says which client of this key is meant: the slab may have given the
    /// key to another while this event was in the batch.
    fn ready(&mut self, event: &mio::event::Event) {
        let (key, generation) = (event.token().0 as u32, (event.token().0 >> 32) as u32);
        let Some(client) = self.clients.get_mut(key as usize) else {
            return;
        };
        if client.generation != generation {
            return;
        }
        if event.is_error() || event.is_read_closed() || event.is_write_closed() {
            let reason = reason_of_end(&client.stream);
            return self.left(key, reason);
        }
        if event.is_readable() {
            match client.stream.discard() {
                Ok(true) => {}
                Ok(false) => return self.left(key, CloseReason::Client),
                Err(error) => return self.left(key, reason_of(&error)),
            }
        }
        if event.is_writable() {
            match client.state {
                ClientState::Blocked => self.replay_later(key),
                ClientState::Closing(_) => self.go_on_closing(key),
                ClientState::Live | ClientState::Replaying => {}
            }
        }
    }

    fn timers(&mut self) {
        self.wheel.turn(self.clock.ticks(), &mut self.due_scratch);
        self.due.extend(self.due_scratch.drain(..));
        for _ in 0..LOOKS_PER_TURN {
            let Some((key, generation)) = self.due.pop_front() else {
                break;
            };
            if self
                .clients
                .get(key as usize)
                .is_some_and(|client| client.generation == generation)
            {
                self.look(key);
            }
        }
    }

    /// Enters a client into the wheel. An entry that it had before is stale from now on.
    pub(super) fn arm(&mut self, key: u32, delay: Duration) {
        if let Some(client) = self.clients.get_mut(key as usize) {
            client.armed = self.wheel.enter((key, client.generation), self.clock.ticks(), delay);
        }
    }

    fn counts(&mut self) {
        let now = self.clock.now();
        if now >= self.counts_due {
            self.counts_due = now + COUNTS_EVERY;
            for (_, shard_channel) in &mut self.channels {
                shard_channel.publish_counts();
            }
            self.sample_lags();
        }
    }
}
