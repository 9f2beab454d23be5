//! One instance's part in the fleet on its way to a successor process, which goes on with it: what it
//! has read, the lease, and what a leader has read from its origins and not in the log.
//!
//! Appends of this process may still be on their way: they land before the successor's term record, and
//! are read, or not at all.

use super::reading::Reading;
use super::record::{Content, blocks};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// More of a leader's contents is not given: its origins are asked anew, or the rest is a gap.
const LEAD_BYTES_MAX: usize = 32 << 20;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedMember {
    pub(super) reading: Reading,
    /// What log and engine know it by: a term record or a renewal that is on its way is the
    /// successor's, too.
    pub(super) token: String,
    /// Term records that were sent under that.
    pub(super) attempts: u64,
    /// The revision of the lease, if it is held.
    pub(super) lease: Option<u64>,
    /// If it leads.
    pub(super) lead: Option<CarriedLead>,
}

/// What a leader has read from its origins, and not in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedLead {
    /// Its term.
    pub(super) term: u64,
    /// Sent, by their numbers: they may be in the log.
    pub(super) sent: VecDeque<(u64, Content)>,
    /// Not sent yet.
    pub(super) waiting: Vec<Content>,
}

impl CarriedMember {
    /// What log and engine know it by.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether the process before leads.
    pub(crate) fn leads(&self) -> bool {
        self.lead.is_some()
    }

    /// Whether it can be what a process of this program gives, of a source with so many upstreams.
    pub(crate) fn is_sound(&self, upstreams: usize) -> bool {
        let is_sound = |content: &Content| {
            let is_term = matches!(content, Content::Term { .. });
            !is_term && (content.upstream() as usize) < upstreams
        };
        let is_word = self.token.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_word && self.reading.is_sound() && self.lead.iter().flat_map(CarriedLead::contents).all(is_sound)
    }
}

impl CarriedLead {
    fn contents(&self) -> impl Iterator<Item = &Content> {
        self.sent.iter().map(|(_, content)| content).chain(&self.waiting)
    }

    /// Whether it is small enough to be given.
    pub(super) fn is_small(&self) -> bool {
        self.contents().map(Content::len).sum::<usize>() <= LEAD_BYTES_MAX
    }

    /// This message of its term is in the log.
    pub(super) fn read_back(&mut self, number: u64) {
        while self.sent.front().is_some_and(|(sent, _)| *sent <= number) {
            self.sent.pop_front();
        }
    }

    /// What is not in the log, event by event.
    pub(super) fn into_contents(self) -> Vec<Content> {
        let mut contents = Vec::new();
        let sent = self.sent.into_iter().map(|(_, content)| content);
        for content in sent.chain(self.waiting) {
            match content {
                Content::Events {
                    upstream,
                    blocks: payload,
                } => contents.extend(blocks(&payload).map(|blocks| Content::Events { upstream, blocks })),
                // The successor's term record says as much.
                Content::Checkpoint => {}
                other => contents.push(other),
            }
        }
        contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// A leader of a quiet source has nothing on its way but that it is there.
    #[test]
    fn a_checkpoint_on_its_way_does_not_keep_a_leader_from_being_given() {
        let event = |blocks: &'static str| Content::Events {
            upstream: 0,
            blocks: Bytes::from(blocks),
        };
        let lead = CarriedLead {
            term: 1,
            sent: VecDeque::from([(1, Content::Checkpoint), (2, event("data: 1\n\ndata: 2\n\n"))]),
            waiting: vec![Content::Checkpoint, event("data: 3\n\n")],
        };
        let carried = CarriedMember {
            reading: Reading::behind(1),
            token: "t1".to_owned(),
            attempts: 1,
            lease: Some(1),
            lead: Some(lead.clone()),
        };
        assert!(carried.is_sound(1) && !carried.is_sound(0));
        let wanted = ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"].map(event);
        assert_eq!(lead.into_contents(), wanted);
    }
}
