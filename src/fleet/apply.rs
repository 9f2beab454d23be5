//! From a message of the log to the ring.

use super::member::News;
use super::record::{Content, Record, Stored, blocks};
use crate::channel::{Place, SharedWriter};
use crate::event_stream::{Event, Item};
use crate::metrics::GapReason;
use bytes::Bytes;
use std::time::Instant;

/// Publishes what a message says.
///
/// `before`: the ids in force before it, as far as they are known.
pub(super) fn apply(writer: &mut SharedWriter, stored: &Stored, news: News, before: &[Bytes]) {
    let now = Instant::now();
    let record = match &stored.record {
        Some(record) if news.counts => record,
        _ if news.skipped && writer.epoch().is_some() => {
            let place = Place::behind(stored.sequence - 1);
            return writer.gap(0, place, (GapReason::Evicted, None), now);
        }
        _ => return,
    };
    let received = now.checked_sub(stored.age).unwrap_or(now);
    let is_first = writer.epoch().is_none();
    if is_first {
        writer.begin(&record.epoch, stored.sequence - 1);
        match before.is_empty() {
            true => inherit(writer, record),
            false => before
                .iter()
                .enumerate()
                .for_each(|(upstream, id)| writer.follow(upstream, id)),
        }
    } else if news.is_anew {
        writer.begin_anew(&record.epoch, stored.sequence);
    } else if news.skipped {
        let place = Place::behind(stored.sequence - 1);
        writer.gap(0, place, (GapReason::Evicted, None), now);
    }
    let at = Place {
        sequence: stored.sequence,
        number: 0,
    };
    match &record.content {
        Content::Events { upstream, blocks } => events(writer, *upstream as usize, stored.sequence, blocks, received),
        Content::Comment { upstream, line } => {
            writer.item(*upstream as usize, at, Item::Comment(line.clone()), received);
        }
        Content::Retry { upstream, time } => writer.item(*upstream as usize, at, Item::Retry(*time), received),
        Content::Gap {
            upstream,
            reason: GapReason::OversizedEvent,
            ..
        } => {
            let id = record.places.get(*upstream as usize).filter(|id| !id.is_empty());
            let oversized = Item::Oversized {
                bytes: 0,
                id: id.cloned(),
            };
            writer.item(*upstream as usize, at, oversized, received);
        }
        Content::Gap {
            upstream,
            reason,
            skipped,
        } => writer.gap(*upstream as usize, at, (*reason, *skipped), received),
        // What was lost has been told: the log goes on under another name.
        Content::Term { resumes: false, .. } if !news.is_anew && !is_first => {
            writer.gap(0, at, (GapReason::UpstreamReconnected, None), received);
        }
        Content::Ended { upstream } => writer.ended(*upstream as usize),
        Content::Reopened { upstream } => writer.reopened(*upstream as usize),
        Content::Term { .. } | Content::Checkpoint | Content::Moved { .. } => {}
    }
}

fn events(writer: &mut SharedWriter, upstream: usize, sequence: u64, payload: &Bytes, received: Instant) {
    let all: Vec<Bytes> = blocks(payload).collect();
    let is_alone = all.len() == 1;
    for (n, block) in all.into_iter().enumerate() {
        let number = if is_alone { 0 } else { n as u32 + 1 };
        let Some(event) = Event::parse_block(&block) else {
            continue;
        };
        writer.item(upstream, Place { sequence, number }, Item::Event(event), received);
    }
}

/// The ids in force before the first message that is read: those after it, where it changes none.
fn inherit(writer: &mut SharedWriter, record: &Record) {
    let changes = |upstream: usize| match &record.content {
        Content::Events {
            upstream: of,
            blocks: payload,
        } => {
            *of as usize == upstream
                && blocks(payload).any(|block| Event::parse_block(&block).is_some_and(|event| event.id().is_some()))
        }
        _ => false,
    };
    for (upstream, id) in record.places.iter().enumerate() {
        if !id.is_empty() && !changes(upstream) {
            writer.follow(upstream, id);
        }
    }
}
