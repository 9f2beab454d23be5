//! A shard that has given its clients stands still until it is known what becomes of them.
//!
//! It only answers what asks for a sign of life. What else comes waits: notes are kept, and readiness
//! stays in the kernel, since the poll is not looked at. So a shard that goes on has missed nothing.

use super::note::{Command, GiveCounts, GiveOrder, Note};
use super::shard_thread::ShardThread;

impl ShardThread {
    /// Gives the clients that can go over, and stands still if whoever asked for it still waits.
    pub(super) fn give(&mut self, order: GiveOrder) {
        self.shard.clock.refresh();
        let given = self.shard.give(&order.channels, &*order.taker);
        let counts = given.as_ref().map(|given| GiveCounts {
            given: given.len(),
            staying: self.shard.clients.iter().count() - given.len(),
        });
        let counts = counts.map_err(|error| std::io::Error::new(error.kind(), error.to_string()));
        if order.answer.send(counts).is_ok() {
            self.stand_still(given.unwrap_or_default());
        }
    }

    fn stand_still(&mut self, given: Vec<super::keys::ClientKey>) {
        let mut kept = Vec::new();
        loop {
            match self.intake.wait_for_note() {
                Some(Note::Command(Command::GoOn)) => break,
                Some(Note::Command(Command::LetGo)) => {
                    self.shard.let_go(given, &self.intake);
                    break;
                }
                None | Some(Note::Command(Command::Stop)) => {
                    self.stopped = true;
                    break;
                }
                Some(
                    note @ (Note::Published(_)
                    | Note::Command(Command::Ping(_) | Command::Report(_) | Command::Find(..))),
                ) => self.handle(note),
                Some(note) => kept.push(note),
            }
        }
        self.shard.clock.refresh();
        kept.into_iter().for_each(|note| self.handle(note));
    }
}
