//! Whether a shard's thread takes up its notes.

use super::mailbox::MailboxSender;
use super::note::{Command, Note};

/// Asks one shard for a sign of life. Outlives the shard without keeping it.
#[derive(Clone)]
pub(crate) struct ShardPing {
    name: String,
    mailbox_sender: MailboxSender<Note, mio::Waker>,
}

impl ShardPing {
    pub(super) fn new(name: String, mailbox_sender: MailboxSender<Note, mio::Waker>) -> Self {
        Self { name, mailbox_sender }
    }

    /// The thread's name, as `top -H` shows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Completes with true once the thread has taken up a note that was sent now, and with false
    /// once there is no thread any more. A stuck thread lets it wait.
    pub(crate) async fn answers(&self) -> bool {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sent = self.mailbox_sender.send(Note::Command(Command::Ping(sender)));
        sent.is_ok() && receiver.await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::intake::Intake;
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_takes_up_nothing_does_not_answer() {
        // An intake without a thread that looks into it: as a stuck shard leaves it.
        let intake = Intake::new().unwrap();
        let ping = ShardPing::new("shard-0".to_owned(), intake.sender().clone());
        let waited = tokio::time::timeout(Duration::from_secs(3600), ping.answers()).await;
        assert!(waited.is_err());
        drop(intake);
        assert!(!ping.answers().await);
    }
}
