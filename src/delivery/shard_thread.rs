//! The shard's thread: what wakes it, and one turn of its loop.
//!
//! A turn is bounded in everything it does, so that nothing (a large channel, a client that
//! replays, a thousand evictions) holds up the rest by more than a fraction of a millisecond or so;
//! what is left is done in the next turn, which then doesn't sleep.

use super::client::ClientState;
use super::clock::TICK;
use super::failure::{reason_of, reason_of_end};
use super::intake::{Intake, WAKER};
use super::keys::{ClientKey, SocketOf};
use super::note::{Command, Note};
use super::shard::Shard;
use super::sink::Sink;
use crate::access_log::AccessLog;
use crate::metrics::CloseReason;
use mio::Events;
use mio::event::Event;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

/// Readiness events taken at one time.
const EVENTS_PER_TURN: usize = 256;
/// Notes (new clients, wake-ups) handled in one turn.
const NOTES_PER_TURN: usize = 64;
/// How often counts reach the metrics.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

pub(super) struct ShardThread {
    pub(super) intake: Intake,
    pub(super) shard: Shard,
    counts_due: Instant,
    pub(super) stopped: bool,
}

impl ShardThread {
    pub(super) fn new(intake: Intake, idle_count: Arc<AtomicUsize>, access_log: Arc<AccessLog>) -> Self {
        let shard = Shard::new(intake.sender().clone(), idle_count, access_log);
        Self {
            intake,
            counts_due: shard.clock.now() + COUNTS_EVERY,
            shard,
            stopped: false,
        }
    }

    /// Until it is told to stop, or its poll fails.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        while !self.stopped {
            self.wait(&mut events)?;
            for event in &events {
                if event.token() != WAKER {
                    self.shard.ready(event);
                }
            }
            for _ in 0..NOTES_PER_TURN {
                let Some(note) = self.intake.take() else { break };
                self.handle(note);
            }
            self.shard.turn();
            self.counts();
        }
        Ok(())
    }

    /// Waits for something to do, if there is nothing.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let mut missed = None;
        if self.shard.is_idle() {
            missed = self.intake.sleep(events, self.until_due())?;
        } else {
            self.intake.look(events)?;
        }
        self.shard.clock.refresh();
        if let Some(note) = missed {
            self.handle(note);
        }
        Ok(())
    }

    fn until_due(&self) -> Option<Duration> {
        let now = self.shard.clock.now();
        let counts = self.counts_due.saturating_duration_since(now).max(TICK);
        let counts = (!self.shard.channels.is_empty()).then_some(counts);
        counts.into_iter().chain(self.shard.until_due()).min()
    }

    pub(super) fn handle(&mut self, note: Note) {
        match note {
            Note::Published(key) => self.shard.has_work(key),
            Note::Command(Command::Join(new_client)) => self.shard.join_alone(*new_client, &self.intake),
            Note::Command(Command::Connect(connection)) => self.shard.connect(*connection, &self.intake),
            Note::Command(Command::Stream(connection, stream, note)) => self.shard.told(connection, stream, note),
            Note::Command(Command::MakeRoom(count)) => self.shard.make_room(count),
            Note::Command(Command::Drain(drain)) => self.shard.drain(&drain),
            Note::Command(Command::Expire(holds)) => self.shard.expire(holds),
            Note::Command(Command::Report(answer)) => {
                // The receiver may have given up.
                let _ = answer.send(self.shard.report());
            }
            Note::Command(Command::Find(whereabouts, answer)) => {
                // The receiver may have given up.
                let _ = answer.send(self.shard.find(whereabouts));
            }
            Note::Command(Command::Ping(answer)) => {
                // The receiver may have given up.
                let _ = answer.send(());
            }
            Note::Command(Command::Give(order)) => self.give(*order),
            Note::Command(Command::Adopt(clients)) => {
                let intake = &self.intake;
                clients.into_iter().for_each(|client| self.shard.adopt(client, intake));
            }
            // It does not stand still.
            Note::Command(Command::GoOn | Command::LetGo) => {}
            Note::Command(Command::Stop) => self.stopped = true,
        }
    }

    fn counts(&mut self) {
        let now = self.shard.clock.now();
        if now >= self.counts_due {
            self.counts_due = now + COUNTS_EVERY;
            self.shard.publish_counts();
            self.shard.sample_lags();
        }
    }
}

impl Shard {
    /// What a turn does after readiness and notes have been taken up.
    pub(super) fn turn(&mut self) {
        self.passes();
        self.staggers();
        self.replays();
        self.looks();
        self.connections_turn();
        self.tell_waiting();
        #[cfg(debug_assertions)]
        self.check();
    }

    /// Whether the client is still there.
    pub(super) fn drop_what_it_sends(&mut self, key: ClientKey) -> bool {
        let client = &self.clients[key];
        let Sink::Own(stream) = &client.sink else {
            return true;
        };
        match stream.discard() {
            Ok(true) if client.state == ClientState::Live && stream.wants_write() => {
                // An answer of the stream's own, for which there was no room.
                self.block(key);
                true
            }
            Ok(true) => true,
            Ok(false) => {
                self.left(key, CloseReason::Client);
                false
            }
            Err(error) => {
                self.left(key, reason_of(&error));
                false
            }
        }
    }

    /// Takes up a client's readiness, if it is still the client whose socket the event is about:
    /// the key may have been given to another while the event was on its way.
    pub(super) fn ready(&mut self, event: &Event) {
        let client = match SocketOf::of(event.token()) {
            SocketOf::Client(client) => client,
            SocketOf::Connection(connection) => return self.connection_ready(connection, event),
        };
        let Some(key) = self.clients.key_of(client) else {
            return;
        };
        let client = &self.clients[key];
        let Sink::Own(stream) = &client.sink else {
            return;
        };
        if event.is_error() || event.is_read_closed() || event.is_write_closed() {
            let reason = reason_of_end(stream);
            return self.left(key, reason);
        }
        if event.is_readable() && !self.drop_what_it_sends(key) {
            return;
        }
        if event.is_writable() {
            match self.clients[key].state {
                ClientState::Blocked => self.replay_later(key),
                ClientState::Closing(_) => self.go_on_closing(key),
                ClientState::Live | ClientState::Replaying => {}
            }
        }
    }
}
