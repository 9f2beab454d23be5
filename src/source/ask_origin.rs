//! After a start: clients come back with ids of the origin's that the empty log doesn't hold. The
//! origin is asked what came after them, on a second connection, so that they get that instead of
//! a gap event.

use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, History, HistoryWriter, Meeting};
use crate::config::{Ids, Source};
use crate::event_stream::Item;
use crate::upstream::{Failure, Resume, Sink, Verdict};
use bytes::Bytes;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Ids that come back within this time are asked for together, with the oldest.
const GATHER: Duration = Duration::from_millis(200);
/// An origin that has sent nothing for so long has sent what it had.
const QUIET: Duration = Duration::from_secs(1);
/// No answer takes longer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long after the last question the answers are kept, for clients that are cut while they read
/// them.
const KEPT: Duration = Duration::from_secs(60);

/// Whether the origin of a source may be asked: its ids may be the origin's, and one origin has
/// them all.
pub(super) fn is_possible(source: &Source) -> bool {
    !source.log.ask_origin.is_zero() && source.ids != Ids::Assign && source.upstreams.len() == 1
}

/// Asks for as long as the source says.
pub(super) async fn ask_origin(upstreams: Arc<[UpstreamRunner]>, channel: Arc<Channel>) {
    let mut over = std::pin::pin!(sleep(channel.settings().load().log.ask_origin));
    loop {
        let id = tokio::select! {
            () = &mut over => break,
            id = channel.next_to_ask(GATHER) => id,
        };
        let history = ask(&upstreams[0], &channel, id).await;
        let events = history.as_ref().map(History::len);
        match events {
            Some(events) => tracing::info!(
                source = channel.name(),
                events,
                "the origin returned what came before the log"
            ),
            None => tracing::info!(
                source = channel.name(),
                "the origin did not return what came before the log"
            ),
        }
        channel.answered(history);
    }
    channel.end_asking();
    sleep(KEPT).await;
    channel.forget_histories();
}

/// What the origin returns for an id. `None`: nothing that joins the log.
async fn ask(upstream: &UpstreamRunner, channel: &Arc<Channel>, id: Bytes) -> Option<History> {
    let answer = Arc::new(Answer {
        writer: Mutex::new(Some(HistoryWriter::new(channel.clone(), id.clone()))),
        moved: Notify::new(),
    });
    let last_event_id = String::from_utf8(id.to_vec()).ok()?;
    let run = upstream.ask(channel, last_event_id, AnswerSink::new(answer.clone()));
    let is_all = tokio::select! {
        () = run => false,
        is_all = timeout(ANSWER_MAX, answer.is_all()) => is_all.unwrap_or(false),
    };
    let writer = answer.writer().take();
    writer.and_then(|writer| writer.finish(is_all))
}

/// What the origin has returned so far.
struct Answer {
    writer: Mutex<Option<HistoryWriter>>,
    /// Notified when the stream is open, and for each read.
    moved: Notify,
}

impl Answer {
    fn writer(&self) -> std::sync::MutexGuard<'_, Option<HistoryWriter>> {
        // A panic leaves a history without its last event, which then joins nothing.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meeting(&self) -> Option<Meeting> {
        self.writer().as_ref().map(HistoryWriter::meeting)
    }

    /// Completes when the origin has sent nothing for a while: whether that was all, since nothing
    /// has come to the log either.
    async fn is_all(&self) -> bool {
        // Its head comes first.
        self.moved.notified().await;
        while timeout(QUIET, self.moved.notified()).await.is_ok() {}
        self.meeting() == Some(Meeting::Empty)
    }
}

/// Takes in what the origin returns, until it meets the log.
struct AnswerSink {
    answer: Arc<Answer>,
    is_over: bool,
}

impl AnswerSink {
    fn new(answer: Arc<Answer>) -> Self {
        Self { answer, is_over: false }
    }
}

impl Sink for AnswerSink {
    fn connected(&mut self, _: Resume) {
        self.answer.moved.notify_one();
    }

    fn item(&mut self, item: Item, received: Instant) {
        if let Some(writer) = &mut *self.answer.writer() {
            writer.item(item, received);
        }
    }

    fn flush(&mut self) {
        let meeting = self.answer.meeting();
        self.is_over = matches!(meeting, None | Some(Meeting::At(_) | Meeting::Elsewhere));
        self.answer.moved.notify_one();
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    /// The clients get their gap event: nothing is tried again for them.
    fn failed(&mut self, _: &Failure, more: bool) -> Verdict {
        match more {
            true => Verdict::Retry,
            false => Verdict::Stop,
        }
    }

    fn ended(&mut self) {}

    fn ready(&mut self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}
