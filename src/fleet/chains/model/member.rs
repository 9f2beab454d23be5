//! One instance of the model, and what it and the engine say to each other.

use crate::fleet::chains::chain::{Chain, ChainNews, ChainSettings};
use crate::fleet::chains::names::Names;
use crate::fleet::inbox::Inbox;
use crate::fleet::pipeline::{Answer, Append};
use crate::fleet::record::{Content, Record, Stored, blocks};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub(super) enum What {
    Append(Append),
    AskLast,
    Answer(u64, Answer),
    Last(Option<u64>),
}

#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub(super) member: usize,
    pub(super) life: u64,
    pub(super) what: What,
    pub(super) is_double: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Published {
    Event(u64),
    Gap,
    /// Another stream under the same parameters.
    Anew,
}

pub(super) struct Member {
    pub(super) chain: Chain,
    pub(super) inbox: Arc<Inbox>,
    pub(super) life: u64,
    /// Messages of the engine's that have come to it.
    pub(super) reader: u64,
    pub(super) connected: Option<(u64, u64)>,
    pub(super) is_cut_off: bool,
    pub(super) stands_still: bool,
    pub(super) missed: VecDeque<What>,
    pub(super) published: Vec<Published>,
}

pub(super) fn settings(life: u64) -> ChainSettings {
    ChainSettings {
        instance: "i".to_owned(),
        process: format!("p{life}"),
        life,
        upstreams: 1,
        message_bytes_max: 1 << 20,
        checkpoint_every: Duration::from_secs(60),
    }
}

impl Member {
    pub(super) fn hear(&mut self, what: What, now: Instant) {
        match what {
            What::Answer(term, answer) => self.chain.answered(term, answer, now),
            What::Last(last) => self.chain.last(last, now),
            What::Append(_) | What::AskLast => {}
        }
    }

    pub(super) fn take(&mut self, sequence: u64, record: &Record, (names, now): (&Names, Instant)) {
        let stored = Stored {
            sequence,
            record: Some(record.clone()),
            age: Duration::ZERO,
        };
        let (news, freed) = self.chain.read(&stored, names, now);
        self.inbox.free(freed);
        let news = match news {
            ChainNews::Nothing => return,
            ChainNews::Begins => return self.published.push(Published::Anew),
            ChainNews::Says(news) => news,
        };
        if news.skipped {
            self.published.push(Published::Gap);
        }
        match &record.content {
            Content::Gap { .. } | Content::Term { resumes: false, .. } => self.published.push(Published::Gap),
            Content::Events { blocks: payload, .. } => {
                for block in blocks(payload) {
                    let text = std::str::from_utf8(&block).unwrap().trim_end().to_owned();
                    let number = text.rsplit(' ').next().unwrap().parse().unwrap();
                    self.published.push(Published::Event(number));
                }
            }
            _ => {}
        }
    }
}

pub(super) fn lost(what: &What) -> What {
    match what {
        What::Append(append) => What::Answer(append.record.term, Answer::Lost),
        What::Answer(term, _) => What::Answer(*term, Answer::Lost),
        What::AskLast | What::Last(_) => What::Last(None),
    }
}
