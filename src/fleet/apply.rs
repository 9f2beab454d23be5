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
    apply_behind(writer, stored, news, before, 0);
}

/// The same without its first `had` events.
pub(super) fn apply_behind(writer: &mut SharedWriter, stored: &Stored, news: News, before: &[Bytes], had: usize) {
    let now = Instant::now();
    let record = match &stored.record {
        Some(record) if news.counts => record,
        _ if news.skipped && writer.epoch().is_some() => {
            let place = Place::behind(stored.sequence - 1);
            return writer.gap(0, place, (GapReason::Evicted, None), now);
        }
        _ => return,
    };
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
    publish(writer, stored, record, had, news.is_anew || is_first);
}

/// The first message behind which the log's numbering holds again, which has begun.
pub(super) fn apply_back(writer: &mut SharedWriter, stored: &Stored, news: News, had: usize) {
    if let Some(record) = stored.record.as_ref().filter(|_| news.counts) {
        inherit(writer, record);
        publish(writer, stored, record, had, news.is_anew);
    }
}

/// `is_told`: that events may be missing before it.
fn publish(writer: &mut SharedWriter, stored: &Stored, record: &Record, had: usize, is_told: bool) {
    let now = Instant::now();
    let received = now.checked_sub(stored.age).unwrap_or(now);
    let at = Place {
        sequence: stored.sequence,
        number: 0,
    };
    match &record.content {
        Content::Events { upstream, blocks } => events(writer, *upstream as usize, at, blocks, (had, received)),
        // What was lost has been told: the log goes on under another name.
        Content::Term { resumes: false, .. } => {
            if is_told {
                return;
            }
            writer.gap(0, at, (GapReason::UpstreamReconnected, None), received);
        }
        content => give(writer, content, at, &record.places, received),
    }
}

/// Publishes what an origin has sent, at a place. `places`: the ids in force after it.
pub(super) fn give(writer: &mut SharedWriter, content: &Content, at: Place, places: &[Bytes], received: Instant) {
    let upstream = content.upstream() as usize;
    match content {
        Content::Events { blocks, .. } => events(writer, upstream, at, blocks, (0, received)),
        Content::Comment { line, .. } => writer.item(upstream, at, Item::Comment(line.clone()), received),
        Content::Retry { time, .. } => writer.item(upstream, at, Item::Retry(*time), received),
        Content::Gap {
            reason: GapReason::OversizedEvent,
            ..
        } => {
            let id = places.get(upstream).filter(|id| !id.is_empty());
            let oversized = Item::Oversized {
                bytes: 0,
                id: id.cloned(),
            };
            writer.item(upstream, at, oversized, received);
        }
        Content::Gap { reason, skipped, .. } => writer.gap(upstream, at, (*reason, *skipped), received),
        Content::Ended { .. } => writer.ended(upstream),
        Content::Reopened { .. } => writer.reopened(upstream),
        // What says who leads, or how the origin stands, is no part of the stream.
        _ => {}
    }
}

fn events(writer: &mut SharedWriter, upstream: usize, at: Place, payload: &Bytes, (had, received): (usize, Instant)) {
    let all: Vec<Bytes> = blocks(payload).collect();
    let is_alone = all.len() == 1;
    for (n, block) in all.into_iter().enumerate().skip(had) {
        let number = if is_alone { 0 } else { n as u32 + 1 };
        let Some(event) = Event::parse_block(&block) else {
            continue;
        };
        writer.item(upstream, Place { number, ..at }, Item::Event(event), received);
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
