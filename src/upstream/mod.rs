//! One connection to the origin: kept, watched, and re-established.
//!
//! [`run()`] connects, reads, hands what it reads to a [`Sink`], and comes back after every failure
//! until the origin says that the stream has ended, or the sink that it has had enough. It promises
//! that
//!
//! - the last event ID sent is the one in force at the last complete block, whatever failed in
//!   between;
//! - it never hammers an origin, never waits without bound, and keeps nothing that grows;
//! - it is one future: dropping it closes the connection, and no task outlives it (at most a name's
//!   resolution, which the system does not let go of, runs to its end and is forgotten);
//! - credentials go to the configured origin only, and into no log line, [`Failure`] or
//!   [`StatusCell`].
//!
//! It knows neither channels nor clients: those are behind the sink.

mod answer;
mod backoff;
mod connect;
mod discovery;
mod exchange;
mod failed;
mod fetch;
mod give_and_take;
pub mod handover;
mod http1;
mod http2;
mod interim;
mod io;
mod overlap;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod resume_point;
mod read;
mod redirect;
mod report;
mod request;
mod run;
mod runner;
mod runtime;
mod spoken;
mod status;
mod targets;
#[cfg(test)]
mod testing;
mod tls;
mod unverified;
mod url;
mod watchdog;

pub(crate) use give_and_take::wait_ended;
pub use http1::{Decoder, Malformed};
pub use report::Reports;
pub(crate) use run::{Fixed, run_by};
pub use run::{Handles, Options, run};
pub(crate) use runner::Setup;
pub(crate) use runtime::UpstreamRuntime;
pub use status::{LastError, Phase, Status, StatusCell};

// What standing in front of an origin shares with following a stream of it.
pub(crate) use connect::open as connect;
pub(crate) use discovery::{FEED_NODES_MAX, base_of, is_stream_link, plain_attribute};
pub(crate) use fetch::{Document, ask, fetch};
pub(crate) use interim::Interim;
pub(crate) use io::Io;
pub(crate) use url::Url;

use crate::event_stream::Item;
use std::fmt;
use std::future::Future;
use std::time::Instant;

/// What takes in what an upstream yields: the channel's publishing side, or a test.
pub trait Sink: Send {
    /// The origin answered with an event stream. `resume`: what our request said about the place.
    fn connected(&mut self, resume: Resume);
    /// One item of the stream, in order; `received` is when the bytes that completed it were read.
    fn item(&mut self, item: Item<'_>, received: Instant);
    /// The items of one read have all been handed over: wake the readers.
    fn flush(&mut self);
    /// Whether so much has been handed over since the last flush that the sink wants to be flushed,
    /// and asked whether it is [`ready`](Self::ready), before the next item.
    fn full(&self) -> bool {
        false
    }
    /// Whether what was handed over says that the stream is over: the upstream returns, and however
    /// the connection ends after that is no failure.
    fn is_over(&self) -> bool {
        false
    }
    /// The connection, or the attempt at one, failed. Says whether to try again. `more`: there are
    /// URLs that were not tried since the last wait, and it is at once.
    fn failed(&mut self, failure: &Failure, more: bool) -> Verdict;
    /// The origin answered 204: the stream has ended for good (9.2.3). The upstream returns after
    /// this.
    fn ended(&mut self);
    /// Completes when the next read may be made: where the slow-client policy `pause` and shard
    /// pacing take hold.
    fn ready(&mut self) -> impl Future<Output = ()> + Send;
}

/// What a request said about the place at which the stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// The first connection: there was no place yet.
    First,
    /// `Last-Event-ID` was sent.
    Sent,
    /// There was a place, but the origin gave no id for it: events may be missing.
    Impossible,
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Back off, then try again.
    Retry,
    /// Give up: the upstream returns.
    Stop,
}

/// Why a connection, or an attempt at one, failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind: the metric's and the log line's label.
    pub reason: Reason,
    /// The status, where there was one.
    pub status: Option<u16>,
    /// What happened, for people; holds no secret.
    pub detail: String,
}

impl Failure {
    /// A failure without a status. What an origin has said may be in the detail: no control
    /// character of it comes as far as a terminal.
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        if detail.contains(char::is_control) {
            let shown = |c: char| {
                if c.is_control() {
                    c.escape_debug().to_string()
                } else {
                    c.to_string()
                }
            };
            detail = detail.chars().map(shown).collect();
        }
        Self {
            reason,
            status: None,
            detail,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.label(), self.detail)
    }
}

impl std::error::Error for Failure {}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The host's name could not be resolved.
    Dns,
    /// The connection was refused, or the network is unreachable.
    Refused,
    /// No response head within `connect_timeout`.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// An answer that is not HTTP.
    Protocol,
    /// A status other than 200 and 204.
    Status,
    /// 200 with another content type.
    ContentType,
    /// 200 with a content encoding that was not asked for.
    ContentEncoding,
    /// More than 5 redirects, or one that leads nowhere.
    Redirect,
    /// The origin ended the stream.
    Ended,
    /// The connection broke inside the stream.
    Reset,
    /// No byte for `read_timeout`.
    Silence,
    /// No usable link in the feed.
    Feed,
}

impl Reason {
    /// Every kind, in order.
    pub const ALL: [Self; 13] = [
        Reason::Dns,
        Reason::Refused,
        Reason::Timeout,
        Reason::Tls,
        Reason::Protocol,
        Reason::Status,
        Reason::ContentType,
        Reason::ContentEncoding,
        Reason::Redirect,
        Reason::Ended,
        Reason::Reset,
        Reason::Silence,
        Reason::Feed,
    ];

    /// The one with this label.
    pub(crate) fn labelled(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.label() == label)
    }

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Reason::Dns => "dns",
            Reason::Refused => "refused",
            Reason::Timeout => "timeout",
            Reason::Tls => "tls",
            Reason::Protocol => "protocol",
            Reason::Status => "status",
            Reason::ContentType => "content_type",
            Reason::ContentEncoding => "content_encoding",
            Reason::Redirect => "redirect",
            Reason::Ended => "ended",
            Reason::Reset => "reset",
            Reason::Silence => "silence",
            Reason::Feed => "feed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Reason};
    use std::collections::HashSet;

    #[test]
    fn what_an_origin_has_said_is_shown_without_control_characters() {
        let failure = Failure::new(Reason::Feed, "not a feed: \0\u{1b}[31m\n\u{9b}ä'\"");
        assert_eq!(failure.detail, "not a feed: \\0\\u{1b}[31m\\n\\u{9b}ä'\"");
    }

    #[test]
    fn labels_name_one_reason_each() {
        let labels: HashSet<_> = Reason::ALL.map(Reason::label).into_iter().collect();
        assert_eq!(labels.len(), Reason::ALL.len());
        assert_eq!(Reason::ALL.map(|reason| reason as usize), std::array::from_fn(|at| at));
    }
}
