//! A leader's appends: up to [`IN_FLIGHT_MAX`] on their way, each behind the one before, and what is
//! done when one of them fails.
//!
//! What is read back decides, not what is answered: an answer only makes room for the next, or says
//! that something is wrong. Then nothing more is sent until all that is on its way has been answered
//! or given up, the log's end has been asked for and read, and with it what has arrived after all.
//! What has been sent once keeps its number and its content: a late one that arrives is the same.
//!
//! That each expects the sequence before it does not suffice: behind an append that was refused, since
//! another leader's term record has taken its place, the next finds the sequence that it expects. So
//! each says how far its leader had read, and counts only if all that lies between is its leader's,
//! in order ([`Reading`](super::reading::Reading) judges). JetStream could be told to expect the
//! message before by its name, too; but after a restart its replicas disagree about that name.

mod append;

pub(crate) use self::append::{Answer, Append, Freed};
use super::record::{Content, Record};
use crate::event_stream::Event;
use crate::log::EVENTS_PER_MESSAGE_MAX;
use crate::metrics::GapReason;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Appends on their way at one time: enough for the log's pace over a distance of some milliseconds.
pub(crate) const IN_FLIGHT_MAX: usize = 64;
/// Appends that have been sent, and not read back yet: a reader that is behind holds up the rest. What
/// is in the log is judged by so many messages before it.
pub(crate) const UNREAD_MAX: usize = 256;
/// Bytes of events that share a message, unless one alone has more: an engine's own limit is far
/// above.
const PACKED_BYTES_MAX: usize = 64 << 10;
/// Room that a message's fields take beside its payload.
const FIELDS_BYTES: usize = 8 << 10;

/// What is to be appended.
#[derive(Debug)]
struct Outgoing {
    record: Record,
    /// How often it has been sent.
    attempts: u32,
    /// What it was made of, for who counts.
    contents: usize,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    /// What is on its way is waited for.
    Settling,
    /// Where the log ends has to be asked for.
    Asking,
    /// It is read up to here.
    Reading(u64),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pipeline {
    term: u64,
    epoch: String,
    era: u64,
    /// The number of what is sent next for the first time.
    next: u64,
    /// The sequence that the log ends with, if all that is on its way arrives: what has been read, and
    /// what of `sent` has not.
    expected: u64,
    /// Not sent yet.
    waiting: VecDeque<Content>,
    /// Sent before, and not in the log: to be sent again, in order, before anything that waits.
    again: VecDeque<Outgoing>,
    /// Sent, and not read back.
    sent: VecDeque<Outgoing>,
    /// Sent, and not answered.
    in_flight: usize,
    state: State,
    /// The ids in force behind what has been sent.
    places: Vec<Bytes>,
    payload_max: usize,
    resyncs: u64,
    /// Of a channel: who writes. Each append expects the one before it in the channel, so that one is
    /// on its way at a time, and sequences have holes.
    chained_by: Option<String>,
}

impl Pipeline {
    /// For a term that has just begun: its record is the log's last.
    pub(crate) fn new(term: u64, epoch: String, places: Vec<Bytes>, payload_max: usize) -> Self {
        Self {
            term,
            epoch,
            era: 0,
            next: 1,
            expected: term,
            waiting: VecDeque::new(),
            again: VecDeque::new(),
            sent: VecDeque::new(),
            in_flight: 0,
            state: State::Flowing,
            places,
            payload_max: payload_max.saturating_sub(FIELDS_BYTES),
            resyncs: 0,
            chained_by: None,
        }
    }

    /// The same for one channel of a source, written by this life of a process.
    pub(super) fn in_era(self, era: u64) -> Self {
        Self { era, ..self }
    }

    pub(crate) fn chained(self, by: String) -> Self {
        Self {
            chained_by: Some(by),
            ..self
        }
    }

    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    /// How often it had to look what has arrived.
    pub(crate) fn resyncs(&self) -> u64 {
        self.resyncs
    }

    /// Whether all that was given is in the log.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.again.is_empty() && self.sent.is_empty()
    }

    /// Contents that wait to be sent for the first time.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What is not known to be in the log: what was sent, by its number, and what was not.
    pub(super) fn give(&self) -> (VecDeque<(u64, Content)>, Vec<Content>) {
        let sent = self.sent.iter().chain(&self.again);
        let sent = sent.map(|outgoing| (outgoing.record.number, outgoing.record.content.clone()));
        (sent.collect(), self.waiting.iter().cloned().collect())
    }

    /// More to be appended.
    pub(crate) fn push(&mut self, content: Content) {
        self.waiting.push_back(content);
    }

    /// The next append to be made, if one may be. `read`: the log has been read so far.
    pub(crate) fn next_append(&mut self, read: u64) -> Option<Append> {
        let is_chained = self.chained_by.is_some();
        let is_full = match is_chained {
            // What has been read back is stored, whether it has been answered or not.
            true => !self.sent.is_empty(),
            false => self.in_flight >= IN_FLIGHT_MAX || self.sent.len() >= UNREAD_MAX,
        };
        if is_chained {
            self.expected = read;
        } else if self.state == State::Flowing && self.expected != read + self.sent.len() as u64 {
            // Something has been read that was not known to be on its way: an append that was given up
            // has landed while the next was not sent yet.
            self.disturbed();
        }
        if self.state != State::Flowing || is_full {
            return None;
        }
        let mut outgoing = match self.again.pop_front() {
            Some(again) => again,
            None => self.first_time()?,
        };
        outgoing.record.read = read;
        let append = Append {
            expected: self.expected,
            attempt: outgoing.attempts,
            record: outgoing.record.clone(),
        };
        outgoing.attempts += 1;
        self.expected += 1;
        self.in_flight += 1;
        self.sent.push_back(outgoing);
        Some(append)
    }

    /// What has waited longest, with what is behind it where that shares its message.
    fn first_time(&mut self) -> Option<Outgoing> {
        let room = match self.chained_by {
            Some(_) => 1,
            None => IN_FLIGHT_MAX - self.in_flight,
        };
        let is_behind = self.waiting.len() > room;
        let first = loop {
            match self.waiting.pop_front()? {
                Content::Moved { upstream, id } => self.moved(upstream, id),
                first => break first,
            }
        };
        // A checkpoint is of no origin.
        let (mut contents, mut bytes) = (usize::from(first != Content::Checkpoint), first.len());
        let content = match first {
            Content::Events { upstream, blocks } if blocks.len() > self.payload_max => Content::Gap {
                upstream,
                reason: GapReason::OversizedEvent,
                skipped: None,
            },
            Content::Events { upstream, blocks } if is_behind => {
                let mut packed = BytesMut::from(&blocks[..]);
                while contents < EVENTS_PER_MESSAGE_MAX
                    && let Some(Content::Events { upstream: of, blocks }) = self.waiting.front()
                    && *of == upstream
                    && packed.len() + blocks.len() <= PACKED_BYTES_MAX.min(self.payload_max)
                {
                    packed.extend_from_slice(blocks);
                    (contents, bytes) = (contents + 1, bytes + blocks.len());
                    self.waiting.pop_front();
                }
                Content::Events {
                    upstream,
                    blocks: packed.freeze(),
                }
            }
            content => content,
        };
        self.follow(&content);
        let record = Record {
            epoch: self.epoch.clone(),
            era: self.era,
            term: self.term,
            number: self.next,
            read: 0,
            places: self.places.clone(),
            by: self.chained_by.clone().unwrap_or_default(),
            content,
        };
        self.next += 1;
        Some(Outgoing {
            record,
            attempts: 0,
            contents,
            bytes,
        })
    }

    /// Follows the ids of what is sent.
    fn follow(&mut self, content: &Content) {
        let Content::Events { upstream, blocks } = content else {
            return;
        };
        for block in super::record::blocks(blocks) {
            let event = Event::parse_block(&block);
            if let Some(id) = event.and_then(|event| event.id()) {
                self.moved(*upstream, Bytes::copy_from_slice(id));
            }
        }
    }

    /// The ids in force behind these, which are sent next.
    pub(super) fn places_behind(&self, contents: &[Content]) -> Vec<Bytes> {
        let mut behind = Self::new(self.term, String::new(), self.places.clone(), 0);
        for content in contents {
            match content {
                Content::Moved { upstream, id } => behind.moved(*upstream, id.clone()),
                content => behind.follow(content),
            }
        }
        behind.places
    }

    fn moved(&mut self, upstream: u32, id: Bytes) {
        let at = upstream as usize;
        if self.places.len() <= at {
            self.places.resize(at + 1, Bytes::new());
        }
        self.places[at] = id;
    }

    /// All that is not known to be in the log, in order, as it was given.
    pub(crate) fn outstanding(&self) -> Vec<Content> {
        let mut all = Vec::new();
        for outgoing in self.sent.iter().chain(&self.again) {
            match &outgoing.record.content {
                Content::Checkpoint => {}
                Content::Events { upstream, blocks } if outgoing.contents > 1 => {
                    let event = |blocks| Content::Events {
                        upstream: *upstream,
                        blocks,
                    };
                    all.extend(super::record::blocks(blocks).map(event));
                }
                content => all.push(content.clone()),
            }
        }
        all.extend(
            self.waiting
                .iter()
                .filter(|content| **content != Content::Checkpoint)
                .cloned(),
        );
        all
    }

    /// What came of an append. Each has one answer, and none says more than that it has arrived or
    /// that something is wrong: that of one that was sent again may be the answer of the first time.
    pub(crate) fn answered(&mut self, answer: Answer) {
        debug_assert!(self.in_flight > 0);
        self.in_flight = self.in_flight.saturating_sub(1);
        if answer != Answer::Stored {
            self.disturbed();
        }
        self.settle();
    }

    /// Something else is in the log than what was sent, or not where it was to be: what is on its way
    /// behind it says nothing, though it may land.
    pub(crate) fn disturbed(&mut self) {
        if self.state == State::Flowing {
            self.resyncs += 1;
            self.state = State::Settling;
        }
        self.settle();
    }

    fn settle(&mut self) {
        if self.state == State::Settling && self.in_flight == 0 {
            self.state = State::Asking;
        }
    }

    /// The log is read to its end. What has been answered and is not there has not been stored.
    pub(crate) fn look_again(&mut self) {
        if self.state == State::Flowing && self.in_flight == 0 && !self.sent.is_empty() {
            self.resyncs += 1;
            self.state = State::Asking;
        }
    }

    /// Whether the log's end has to be asked for.
    pub(crate) fn wants_end(&self) -> bool {
        self.state == State::Asking
    }

    /// The log ended so when it was asked; `read`: it is read so far.
    pub(crate) fn end(&mut self, last: u64, read: u64) {
        if self.state == State::Asking {
            self.state = State::Reading(last);
            self.goes_on(read);
        }
    }

    /// Whether it waits for what the log does not hold.
    pub(crate) fn waits_beyond(&self, last: u64) -> bool {
        matches!(self.state, State::Reading(to) if to > last)
    }

    /// The log ends so by now, before what it had ended with.
    pub(crate) fn end_again(&mut self, last: u64, read: u64) {
        self.state = State::Reading(last);
        self.goes_on(read);
    }

    /// A message of this term has been read back.
    pub(crate) fn read_back(&mut self, number: u64) -> Freed {
        let first = |queue: &VecDeque<Outgoing>| queue.front().map(|outgoing| outgoing.record.number);
        // In order: what is older than this has been read before.
        let queue = match first(&self.sent) == Some(number) {
            true => &mut self.sent,
            // It has arrived after it had been given up.
            false if first(&self.again) == Some(number) => &mut self.again,
            false => return Freed::default(),
        };
        queue.pop_front().map_or_else(Freed::default, |outgoing| Freed {
            contents: outgoing.contents,
            bytes: outgoing.bytes,
        })
    }

    /// The log has been read up to here.
    pub(crate) fn goes_on(&mut self, read: u64) {
        let State::Reading(last) = self.state else { return };
        if read < last {
            return;
        }
        for outgoing in self.sent.drain(..).rev() {
            self.again.push_front(outgoing);
        }
        self.expected = read;
        self.state = State::Flowing;
    }
}
