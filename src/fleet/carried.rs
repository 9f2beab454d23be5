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
            let is_of_an_origin = !matches!(content, Content::Term { .. } | Content::Checkpoint);
            is_of_an_origin && (content.upstream() as usize) < upstreams
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
                other => contents.push(other),
            }
        }
        contents
    }
}

/// Bytes as serde sees them.
pub(super) mod as_bytes {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(in crate::fleet) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        bytes[..].serialize(to)
    }

    pub(in crate::fleet) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        Ok(Vec::<u8>::deserialize(from)?.into())
    }
}

/// The reason of a gap as serde sees it.
pub(super) mod as_label {
    use crate::fleet::record::gap_reason;
    use crate::metrics::GapReason;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes all fields by reference")]
    pub(in crate::fleet) fn serialize<S: Serializer>(reason: &GapReason, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(reason.label())
    }

    pub(in crate::fleet) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<GapReason, D::Error> {
        let label = String::deserialize(from)?;
        gap_reason(&label).ok_or_else(|| D::Error::custom("an unknown reason of a gap"))
    }
}

/// Ids as serde sees them.
pub(super) mod as_ids {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::fleet) fn serialize<S: Serializer>(ids: &[Bytes], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(|id| &id[..]))
    }

    pub(in crate::fleet) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Bytes>, D::Error> {
        let ids = Vec::<Vec<u8>>::deserialize(from)?;
        Ok(ids.into_iter().map(Bytes::from).collect())
    }
}
