//! What another process has given, checked.

use super::{CarriedParser, CarriedUpstream, Doing, Given};
use crate::event_stream::{BlockState, LineState, ParserState};
use crate::upstream::StatusCell;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// An upstream that another process has given, to go on with.
#[derive(Debug)]
pub struct Taken {
    pub(crate) carried: CarriedUpstream,
    /// With [`Doing::Reading`].
    pub(crate) socket: Option<OwnedFd>,
    /// Places for those that have two connections at one time.
    pub(crate) overlaps: Arc<Semaphore>,
}

impl Taken {
    /// One without what is its own is taken as one that is about to connect: what it knows of the
    /// stream's place is worth keeping.
    pub fn new((mut carried, socket): Given) -> Self {
        if matches!(carried.doing, Doing::Reading(_)) && socket.is_none() {
            carried.doing = Doing::Attempting;
        }
        Self {
            carried,
            socket,
            overlaps: Arc::new(Semaphore::new(1)),
        }
    }

    /// One of several that may have two connections at one time, as far as there are places.
    pub(crate) fn among(self, overlaps: &Arc<Semaphore>) -> Self {
        Self {
            overlaps: overlaps.clone(),
            ..self
        }
    }

    /// The same for the next process, if this one has not begun with it.
    pub(crate) fn give_again(&self) -> Option<Given> {
        let socket = match &self.socket {
            Some(socket) => Some(socket.try_clone().ok()?),
            None => None,
        };
        Some((self.carried.clone(), socket))
    }

    /// Whether it ran there: else nothing is known of its place in the stream.
    pub(crate) fn is_of_a_run(&self) -> bool {
        let begins_anew = matches!(self.carried.doing, Doing::Ended { .. } | Doing::Over);
        self.carried.is_of_a_run() && !begins_anew
    }

    /// The last event ID in force.
    pub fn last_event_id(&self) -> &[u8] {
        &self.carried.last_event_id
    }

    /// Whether it has been connected before.
    pub fn has_been_connected(&self) -> bool {
        self.carried.status.connects > 0
    }

    /// Whether it had come to its end, for good: then `status` shows that.
    pub(crate) fn is_over(&self, status: &StatusCell) -> bool {
        let ended = self.ended(status).is_some();
        if self.carried.doing == Doing::Over {
            status.restore_stopped(&self.carried);
            return true;
        }
        ended
    }

    /// How long ago the origin has ended it, if it has: then `status` shows that.
    pub(crate) fn ended(&self, status: &StatusCell) -> Option<Duration> {
        let Doing::Ended { ago_ms } = self.carried.doing else {
            return None;
        };
        status.restore_ended(&self.carried);
        Some(Duration::from_millis(ago_ms))
    }
}

impl From<ParserState> for CarriedParser {
    fn from(state: ParserState) -> Self {
        Self {
            bom: state.bom,
            after_cr: state.after_cr,
            unread: state.unread,
            lines: state.block.lines,
            line: state.block.line,
            fate: match state.block.fate {
                LineState::Collected => 0,
                LineState::Ignored => 1,
                LineState::Dropped => 2,
            },
            oversized: state.block.oversized,
        }
    }
}

impl CarriedParser {
    /// `None`: no parser can be in this state.
    pub(crate) fn into_state(self) -> Option<ParserState> {
        Some(ParserState {
            bom: self.bom,
            after_cr: self.after_cr,
            unread: self.unread,
            block: BlockState {
                lines: self.lines,
                line: self.line,
                fate: match self.fate {
                    0 => LineState::Collected,
                    1 => LineState::Ignored,
                    2 => LineState::Dropped,
                    _ => return None,
                },
                oversized: self.oversized,
            },
        })
    }
}
