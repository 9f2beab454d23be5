//! What a shared log holds, message by message, and how it is written.
//!
//! A message is fields and a payload. Events travel as the blocks that they are: a block ends with its
//! blank line and holds none, so several are told apart. Every message carries the numbering's name,
//! its leader's term, and the ids in force after it: whoever reads the newest one knows how to go on.

use super::as_serde::{as_bytes, as_label, gap_reason};
use crate::metrics::GapReason;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The fields of a message. An engine writes them as its headers.
pub(crate) mod fields {
    /// The name of the numbering.
    pub(crate) const EPOCH: &str = "Fanfare-Epoch";
    /// How often the log had come back with less by then; without it, never.
    pub(crate) const ERA: &str = "Fanfare-Era";
    /// The term of its leader, and the message's number in it: `<term>.<n>`.
    pub(crate) const NUMBER: &str = "Fanfare-Number";
    /// How far its leader had read the log when it was sent: everything behind that, up to the message
    /// itself, has to be the leader's own, in order, or it says nothing.
    pub(crate) const READ: &str = "Fanfare-Read";
    /// What it is; without it, events.
    pub(crate) const KIND: &str = "Fanfare-Kind";
    /// Which upstream yielded it, by its place in the configuration; without it, the first.
    pub(crate) const UPSTREAM: &str = "Fanfare-Upstream";
    /// The id in force after it at an upstream, percent-encoded: `<upstream> <id>`, once for each that
    /// has one.
    pub(crate) const PLACE: &str = "Fanfare-Place";
    /// Of a term record: what its author calls the attempt.
    pub(crate) const TOKEN: &str = "Fanfare-Token";
    /// Of a term record: who leads.
    pub(crate) const INSTANCE: &str = "Fanfare-Instance";
    /// Of a term record: `yes`, if the origin can go on where the log ends.
    pub(crate) const RESUMES: &str = "Fanfare-Resumes";
    /// Of a gap: why.
    pub(crate) const REASON: &str = "Fanfare-Reason";
    /// Of a gap: how many events are missing.
    pub(crate) const SKIPPED: &str = "Fanfare-Skipped";
    /// Of a channel's record: which life of which process wrote it, `<process>.<life>`.
    pub(crate) const BY: &str = "Fanfare-By";
}

/// What stays as it is in an id: visible ASCII but for what separates.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':')
    .remove(b'/')
    .remove(b'=')
    .remove(b',');

/// A message: its fields, in order, and its payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) payload: Bytes,
}

/// A message of the log, as it is read back.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    pub(crate) record: Option<Record>,
    /// For how long the log has had it.
    pub(crate) age: Duration,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The name of the numbering.
    pub(crate) epoch: String,
    /// How often the log had come back with less when its leader began: what is older says nothing.
    pub(crate) era: u64,
    /// The term of its leader; 0 in a term record, whose sequence it is.
    pub(crate) term: u64,
    /// Its number in the term, from 1 on.
    pub(crate) number: u64,
    /// How far its leader had read the log when it was sent.
    pub(crate) read: u64,
    /// The ids in force after it, by upstream; empty: none.
    pub(crate) places: Vec<Bytes>,
    /// Of a channel's record: who wrote it; else empty.
    pub(crate) by: String,
    pub(crate) content: Content,
}

/// What stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// A leader's term begins.
    Term {
        /// What its author calls the attempt.
        token: String,
        /// Who leads.
        instance: String,
        /// Whether the origin can go on where the log ends: if not, events may be missing here.
        resumes: bool,
    },
    /// Blocks of one upstream, one after the other.
    Events {
        upstream: u32,
        #[serde(with = "as_bytes")]
        blocks: Bytes,
    },
    /// A comment of the origin, with its line end.
    Comment {
        upstream: u32,
        #[serde(with = "as_bytes")]
        line: Bytes,
    },
    /// The origin has named a reconnection time.
    Retry { upstream: u32, time: Duration },
    /// Events are missing here.
    Gap {
        upstream: u32,
        #[serde(with = "as_label")]
        reason: GapReason,
        skipped: Option<u64>,
    },
    /// The origin has ended an upstream's stream for good.
    Ended { upstream: u32 },
    /// It has opened it again.
    Reopened { upstream: u32 },
    /// An id that has come into force by what is not in the log. It stands in the fields of what comes
    /// next, and is no message.
    Moved {
        upstream: u32,
        #[serde(with = "as_bytes")]
        id: Bytes,
    },
    /// Nothing: it keeps the log from becoming empty, and what is known with it.
    Checkpoint,
    /// Of a channel: the origin has not refused it, clients may come in.
    Opened,
    /// Of a channel: the origin has no such stream, or not for us, and said so with this status.
    Refused { upstream: u32, status: u16 },
    /// Of a channel: its leader leads no more, another may.
    Released,
    /// The names of a source's numbering, the newest last, each with the sequence behind which it is in
    /// force; 0: behind this message.
    Names(Vec<(u64, String)>),
}

impl Record {
    /// As a message.
    pub(crate) fn message(&self) -> Message {
        let mut fields = vec![(fields::EPOCH, self.epoch.clone())];
        if self.era > 0 {
            fields.push((fields::ERA, self.era.to_string()));
        }
        if !matches!(self.content, Content::Term { .. }) {
            fields.push((fields::NUMBER, format!("{}.{}", self.term, self.number)));
            fields.push((fields::READ, self.read.to_string()));
        } else if self.read > 0 {
            fields.push((fields::READ, self.read.to_string()));
        }
        if !self.by.is_empty() {
            fields.push((fields::BY, self.by.clone()));
        }
        let payload = self.content.put(&mut fields);
        for (upstream, id) in self.places.iter().enumerate().filter(|(_, id)| !id.is_empty()) {
            fields.push((fields::PLACE, format!("{upstream} {}", encoded(id))));
        }
        Message { fields, payload }
    }

    /// What a message says. `None`: it is none of the relay's, or of a later version.
    pub(crate) fn read<'a>(field: impl Fn(&str) -> Vec<&'a str>, payload: Bytes) -> Option<Self> {
        let one = |name: &str| field(name).first().copied();
        let epoch = one(fields::EPOCH)?.to_owned();
        let era = one(fields::ERA).map_or(Some(0), |era| era.parse().ok())?;
        let content = Content::read(&one, payload)?;
        let (term, number, read) = match &content {
            Content::Term { .. } => (0, 0, one(fields::READ).map_or(Some(0), |read| read.parse().ok())?),
            _ => {
                let (term, number) = one(fields::NUMBER)?.split_once('.')?;
                (
                    term.parse().ok()?,
                    number.parse().ok()?,
                    one(fields::READ)?.parse().ok()?,
                )
            }
        };
        let mut places = Vec::new();
        for place in field(fields::PLACE) {
            let (upstream, id) = place.split_once(' ')?;
            let upstream: usize = upstream.parse().ok().filter(|&upstream| upstream < UPSTREAMS_MAX)?;
            if places.len() <= upstream {
                places.resize(upstream + 1, Bytes::new());
            }
            places[upstream] = percent_decode_str(id).collect::<Vec<u8>>().into();
        }
        Some(Self {
            epoch,
            era,
            term,
            number,
            read,
            places,
            by: one(fields::BY).unwrap_or_default().to_owned(),
            content,
        })
    }
}

/// Upstreams of a source that a message may name: a bound against what is no message of ours.
const UPSTREAMS_MAX: usize = 1024;

impl Content {
    /// The upstream that it is of.
    pub(crate) fn upstream(&self) -> u32 {
        match self {
            Self::Events { upstream, .. }
            | Self::Comment { upstream, .. }
            | Self::Retry { upstream, .. }
            | Self::Gap { upstream, .. }
            | Self::Moved { upstream, .. }
            | Self::Ended { upstream }
            | Self::Refused { upstream, .. }
            | Self::Reopened { upstream } => *upstream,
            Self::Term { .. } | Self::Checkpoint | Self::Opened | Self::Released | Self::Names(_) => 0,
        }
    }

    /// Bytes that it holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Events { blocks, .. } => blocks.len(),
            Self::Comment { line, .. } => line.len(),
            _ => 0,
        }
    }

    fn put(&self, out: &mut Vec<(&'static str, String)>) -> Bytes {
        let mut put = |name, value: String| out.push((name, value));
        if self.upstream() > 0 {
            put(fields::UPSTREAM, self.upstream().to_string());
        }
        let (kind, payload) = match self {
            Self::Events { blocks, .. } => return blocks.clone(),
            Self::Comment { line, .. } => ("comment", line.clone()),
            Self::Retry { time, .. } => ("retry", time.as_millis().to_string().into()),
            Self::Gap { reason, skipped, .. } => {
                put(fields::REASON, reason.label().to_owned());
                if let Some(skipped) = skipped {
                    put(fields::SKIPPED, skipped.to_string());
                }
                ("gap", Bytes::new())
            }
            Self::Ended { .. } => ("ended", Bytes::new()),
            Self::Reopened { .. } => ("reopened", Bytes::new()),
            Self::Checkpoint | Self::Moved { .. } => ("checkpoint", Bytes::new()),
            Self::Opened => ("opened", Bytes::new()),
            Self::Refused { status, .. } => ("refused", status.to_string().into()),
            Self::Released => ("released", Bytes::new()),
            Self::Names(names) => ("names", put_names(names)),
            Self::Term {
                token,
                instance,
                resumes,
            } => {
                put(fields::TOKEN, token.clone());
                put(fields::INSTANCE, encoded(instance.as_bytes()));
                put(fields::RESUMES, if *resumes { "yes" } else { "no" }.to_owned());
                ("term", Bytes::new())
            }
        };
        put(fields::KIND, kind.to_owned());
        payload
    }

    fn read<'a>(one: &impl Fn(&str) -> Option<&'a str>, payload: Bytes) -> Option<Self> {
        let upstream = match one(fields::UPSTREAM) {
            None => 0,
            Some(number) => number.parse().ok().filter(|&n| (n as usize) < UPSTREAMS_MAX)?,
        };
        Some(match one(fields::KIND) {
            None => Self::Events {
                upstream,
                blocks: payload,
            },
            Some("comment") => Self::Comment {
                upstream,
                line: payload,
            },
            Some("retry") => Self::Retry {
                upstream,
                time: Duration::from_millis(std::str::from_utf8(&payload).ok()?.parse().ok()?),
            },
            Some("gap") => Self::Gap {
                upstream,
                reason: gap_reason(one(fields::REASON)?)?,
                skipped: one(fields::SKIPPED).and_then(|number| number.parse().ok()),
            },
            Some("ended") => Self::Ended { upstream },
            Some("reopened") => Self::Reopened { upstream },
            Some("checkpoint") => Self::Checkpoint,
            Some("opened") => Self::Opened,
            Some("refused") => Self::Refused {
                upstream,
                status: std::str::from_utf8(&payload).ok()?.parse().ok()?,
            },
            Some("released") => Self::Released,
            Some("names") => Self::Names(read_names(&payload)?),
            Some("term") => Self::Term {
                token: one(fields::TOKEN)?.to_owned(),
                instance: percent_decode_str(one(fields::INSTANCE)?)
                    .decode_utf8_lossy()
                    .into_owned(),
                resumes: one(fields::RESUMES)? == "yes",
            },
            Some(_) => return None,
        })
    }
}

/// One line for each.
fn put_names(names: &[(u64, String)]) -> Bytes {
    let lines = names.iter().map(|(behind, name)| format!("{behind} {name}\n"));
    lines.collect::<String>().into()
}

fn read_names(payload: &[u8]) -> Option<Vec<(u64, String)>> {
    let name = |line: &str| {
        let (behind, name) = line.split_once(' ')?;
        Some((behind.parse().ok()?, name.to_owned()))
    };
    std::str::from_utf8(payload).ok()?.lines().map(name).collect()
}

fn encoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => utf8_percent_encode(text, KEPT).to_string(),
        Err(_) => percent_encoding::percent_encode(bytes, KEPT).to_string(),
    }
}

/// The blocks of a payload, each with its blank line. What is behind the last one is none.
pub(crate) fn blocks(payload: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        let end = from + memchr::memmem::find(&payload[from..], b"\n\n")? + 2;
        let block = payload.slice(from..end);
        from = end;
        Some(block)
    })
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
