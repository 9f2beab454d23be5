//! Long poll: what follows a client's last event ID as one JSON document, at once if there is any,
//! else as soon as there is.
//!
//! `last_event_id` in the answer always names a place, exactly: where the origin's ids can't
//! (several events share one, or there is none), it is one of the relay's own numbering, which only
//! this channel's log understands. So a client that polls again gets every event once.

use crate::channel::{Beginning, Channel, HistoryPlace};
use crate::event_stream::Event;
use crate::log::{Cursor, Entry, Kind, Read, StartPoint};
use crate::metrics::GapReason;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long an answer waits for the first event.
const WAIT: Duration = Duration::from_secs(25);
/// No longer, whatever is asked: proxies give up.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Events of one answer; what is left comes with the next.
const EVENTS_MAX: usize = 1000;
/// Bytes of one answer's events, as they are in the log.
const BYTES_MAX: u64 = 1024 * 1024;

/// The `wait` of a request: seconds, `10`, `2.5` or `10s`. `None`: it can't be read.
pub(super) fn wait(parameter: Option<&[u8]>) -> Option<Duration> {
    let Some(text) = parameter else { return Some(WAIT) };
    let text = std::str::from_utf8(text).ok()?;
    let seconds: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(WAIT_MAX.as_secs_f64())))
}

/// What has been found so far.
struct News {
    next: Cursor,
    /// Names the place before `next`.
    id: Bytes,
    events: Vec<Value>,
    bytes: u64,
    gap: Option<Value>,
    /// What is left of what comes before the log, or between that and the log, comes with the next
    /// answer.
    is_cut: bool,
}

/// The document: what follows `last_event_id`; or nothing after `wait`, when `leaving` completes,
/// or when the channel's source is no more. Whether it says anything, too. `history`: what comes
/// before the log, if the origin returned it.
pub(super) async fn news(
    channel: &Channel,
    last_event_id: Option<Bytes>,
    (start, history): (StartPoint, Option<HistoryPlace>),
    wait: Duration,
    leaving: impl Future<Output = ()>,
) -> (Value, bool) {
    let deadline = Instant::now() + wait;
    let id = last_event_id.as_deref();
    let mut news = News::at(channel, || channel.beginning(id, start, history.clone()));
    tokio::pin!(leaving);
    loop {
        if news.is_cut {
            break;
        }
        news.read(channel);
        let ended = channel.end().is_some_and(|end| news.next > end.last);
        if !news.events.is_empty() || news.gap.is_some() || ended || channel.removal().is_some() {
            break;
        }
        tokio::select! {
            more = timeout_at(deadline, channel.until(news.next)) => if more.is_err() { break },
            () = &mut leaving => break,
        }
    }
    let metrics = channel.metrics();
    metrics.deliveries.increment(news.events.len() as u64);
    metrics.bytes_sent.increment(news.bytes);
    let says_something = !news.events.is_empty() || news.gap.is_some();
    (news.into_json(), says_something)
}

impl News {
    fn at(channel: &Channel, beginning: impl Fn() -> Beginning) -> Self {
        let (beginning, id) = loop {
            let beginning = beginning();
            let id = match beginning.before {
                // Behind it, each entry names its place.
                Some(_) => Some(beginning.id.clone()),
                None => id_of(channel, &beginning),
            };
            // Unknown if the log has let the place go since: then there is another.
            if let Some(id) = id {
                break (beginning, id);
            }
        };
        let mut news = Self {
            next: beginning.next,
            id,
            events: Vec::new(),
            bytes: 0,
            gap: gap(channel, &beginning.gaps),
            is_cut: false,
        };
        if let Some(before) = &beginning.before {
            news.read_before(before);
            // Nothing is known of what stands between it and the log.
            news.is_cut |= before.next().is_none();
        }
        news
    }

    /// What comes before the log, up to a bound of the answer: what is left of it comes with the next.
    fn read_before(&mut self, before: &HistoryPlace) {
        for entry in before.entries() {
            let gap_behind = entry.kind() == Kind::Gap && !(self.events.is_empty() && self.gap.is_none());
            if self.is_full() || gap_behind {
                self.is_cut = true;
                return;
            }
            self.id = entry.id().clone();
            self.push(entry);
        }
    }

    fn is_full(&self) -> bool {
        self.is_cut || self.events.len() >= EVENTS_MAX || self.bytes >= BYTES_MAX
    }

    /// Reads on, up to the head or a bound of the answer.
    fn read(&mut self, channel: &Channel) {
        while !self.is_full() {
            match channel.log().read(self.next) {
                Read::Entry(entry) => {
                    // A gap is said before what follows it: what came before it goes alone.
                    if entry.kind() == Kind::Gap && !self.events.is_empty() {
                        return;
                    }
                    self.take(channel, &entry);
                }
                Read::NotYet => return,
                Read::Gone if self.events.is_empty() => {
                    *self = Self::at(channel, || channel.beginning(Some(&self.id), StartPoint::Oldest, None));
                }
                // It will be said with the next answer.
                Read::Gone => return,
            }
        }
    }

    fn take(&mut self, channel: &Channel, entry: &Entry) {
        self.next = entry.cursor.next();
        self.id = channel.id_behind(entry);
        self.push(entry);
    }

    fn push(&mut self, entry: &Entry) {
        let blocks = entry.plain();
        let Some(event) = Event::parse_block(&blocks).filter(Event::dispatches) else {
            return;
        };
        match entry.kind() {
            // Its data is an object of ours.
            Kind::Gap => self.gap = serde_json::from_slice(&event.data()).ok(),
            Kind::Event | Kind::Terminal | Kind::NonEvent => {
                self.bytes += entry.len_bytes();
                self.events.push(event_json(&event, entry.id()));
            }
        }
    }

    fn into_json(self) -> Value {
        let mut document = Map::new();
        document.insert("events".to_owned(), Value::Array(self.events));
        document.insert("last_event_id".to_owned(), text(&self.id).into());
        if let Some(gap) = self.gap {
            document.insert("gap".to_owned(), gap);
        }
        Value::Object(document)
    }
}

/// The id of a place: its own, where that leads here. So it does at the relay's siblings, and in
/// its next process.
fn id_of(channel: &Channel, place: &Beginning) -> Option<Bytes> {
    let leads_here = || {
        let again = channel.place_behind(&place.id);
        again.gap.is_none() && again.next == place.next
    };
    match !place.id.is_empty() && leads_here() {
        true => Some(place.id.clone()),
        false => channel.exact_id_before(place.next),
    }
}

/// As an EventSource would dispatch it.
fn event_json(event: &Event<'_>, id: &[u8]) -> Value {
    let event_type = match event.event_type() {
        b"" => Cow::Borrowed("message"),
        event_type => text(event_type),
    };
    json!({ "id": text(id), "event": event_type, "data": text(&event.data()) })
}

/// The gap before the first event; of several sources', the first, with all of them.
fn gap(channel: &Channel, gaps: &[(GapReason, Box<str>)]) -> Option<Value> {
    let said = gaps.iter().map(|(reason, source)| {
        channel.metrics().gaps[reason.index()].increment(1);
        json!({ "reason": reason.label(), "source": source })
    });
    let mut said: Vec<Value> = said.collect();
    match said.len() {
        0 | 1 => said.pop(),
        _ => {
            let mut first = said[0].clone();
            first["all"] = said.into();
            Some(first)
        }
    }
}

/// Invalid UTF-8 is replaced, as a client's decoder would.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_to_wait() {
        for (parameter, seconds) in [
            (None, Some(25.0)),
            (Some("10"), Some(10.0)),
            (Some("10s"), Some(10.0)),
            (Some("0.5"), Some(0.5)),
            (Some("0"), Some(0.0)),
            (Some("61"), Some(60.0)),
            (Some("inf"), Some(60.0)),
            (Some("-1"), None),
            (Some("NaN"), None),
            (Some("soon"), None),
            (Some(""), None),
        ] {
            let wait = wait(parameter.map(str::as_bytes));
            assert_eq!(wait, seconds.map(Duration::from_secs_f64), "{parameter:?}");
        }
    }
}
