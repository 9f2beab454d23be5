//! `tail` at work: an upstream whose sink is the terminal.

use super::shown::{Filter, Form, Shown};
use super::tail::{PASSWORD_VARIABLE, TailArgs};
use crate::config::{Credentials, Upstream};
use crate::error::Exit;
use crate::event_stream::{Event, Item, ParserOptions};
use crate::metrics::Metrics;
use crate::redaction::redact;
use crate::upstream::{self, Failure, Handles, Options, Reason, Resume, Sink, StatusCell, Verdict};
use std::io::Write;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::sync::oneshot;

/// Largest event shown.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Follows an event stream until it ends for good, the reader of our output leaves, or `--count` is
/// reached.
///
/// It resumes by itself. A first attempt that fails is an error: the address is more likely wrong
/// than the origin away.
pub async fn tail(args: TailArgs) -> anyhow::Result<Exit> {
    let credentials = match args.credentials(std::env::var(PASSWORD_VARIABLE).ok()) {
        Ok(credentials) => credentials,
        Err(wrong) => {
            // As clap says what is wrong with a line.
            writeln!(std::io::stderr(), "error: {wrong}")?;
            return Ok(Exit::Usage);
        }
    };
    let upstream = upstream_of(&args, credentials);
    let metrics = Metrics::new();
    let handles = Handles {
        upstream: Arc::new(metrics.upstream("tail", &upstream.name)),
        bytes_received: metrics.source("tail").bytes_received.clone(),
    };
    let options = Options {
        source: "tail".to_owned(),
        target: upstream.target.clone(),
        last_event_id: args.last_event_id.clone(),
        parser: ParserOptions {
            event_bytes_max: EVENT_BYTES_MAX,
            comments: false,
        },
        reports: None,
    };
    let (finish, mut finished) = oneshot::channel();
    let url = redact(&args.url);
    let printer = Printer {
        filter: Filter {
            types: args.event,
            text: args.text,
        },
        form: Form {
            json: args.json,
            colours: args.color.is_wanted(),
            timestamps: args.timestamps,
        },
        is_insecure: args.insecure,
        left: args.count.unwrap_or(u64::MAX),
        id: Vec::new(),
        connected: false,
        finish: Some(finish),
    };
    let status = Arc::new(StatusCell::new());
    let finished = tokio::select! {
        () = upstream::run(Arc::new(upstream), options, printer, status, handles) => finished.try_recv().ok(),
        finish = &mut finished => finish.ok(),
    };
    match finished {
        Some(Finish::Refused(why)) => Err(anyhow::anyhow!("can't follow {url}: {why}")),
        Some(Finish::Done) | None => Ok(Exit::Done),
    }
}

/// What is asked, and how.
fn upstream_of(args: &TailArgs, credentials: Option<Credentials>) -> Upstream {
    let mut upstream = Upstream::defaults(&args.address());
    upstream.headers.extend(args.headers.iter().cloned());
    upstream.credentials = credentials;
    upstream.tls.is_unverified = args.insecure;
    if args.insecure {
        tracing::warn!("any certificate is taken: who answers may be anyone");
    }
    // The person at the terminal sees that nothing comes, and may wait for as long as they like.
    upstream.read_timeout = std::time::Duration::ZERO;
    upstream
}

/// Why it is over.
enum Finish {
    /// Enough was seen, or the stream has ended.
    Done,
    /// No repetition heals this.
    Refused(String),
}

struct Printer {
    filter: Filter,
    form: Form,
    is_insecure: bool,
    /// Events still to be shown.
    left: u64,
    id: Vec<u8>,
    /// Whether the origin has answered with an event stream once.
    connected: bool,
    finish: Option<oneshot::Sender<Finish>>,
}

impl Printer {
    fn show(&mut self, event: &Event) {
        if let Some(id) = event.id() {
            self.id = id.to_vec();
        }
        if !event.dispatches() || self.left == 0 {
            return;
        }
        let data = event.data();
        let event = Shown {
            id: &String::from_utf8_lossy(&self.id),
            event_type: &String::from_utf8_lossy(event.event_type()),
            data: &String::from_utf8_lossy(&data),
            at: SystemTime::now(),
        };
        if !self.filter.fits(&event) {
            return;
        }
        self.left -= 1;
        let line = self.form.of(&event);
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{line}").and_then(|()| out.flush());
        // A closed pipe is how `tail | head` ends.
        if written.is_err() || self.left == 0 {
            self.finish(Finish::Done);
        }
    }

    fn finish(&mut self, why: Finish) {
        self.left = 0;
        if let Some(finish) = self.finish.take() {
            // The receiver is gone only when `tail` is over.
            let _ = finish.send(why);
        }
    }
}

/// Whether another attempt may succeed: later on, all but a refusal by status; at the first
/// contact, an origin that asks for patience only.
fn may_heal(failure: &Failure, connected: bool) -> bool {
    match failure.status {
        Some(408 | 429 | 503) => true,
        Some(400..500) => false,
        _ => connected,
    }
}

/// What happened, and what would help where that is known.
fn explained(failure: &Failure, is_insecure: bool) -> String {
    let help = match (failure.reason, failure.status) {
        (_, Some(401)) => "; credentials are given by --user or --header",
        (Reason::ContentType, _) => "; is it the address of a page instead of its event stream?",
        (Reason::Tls, _) if !is_insecure => "; --insecure takes any certificate",
        (Reason::Protocol, _) => "; does another protocol, or TLS, live at that port?",
        _ => "",
    };
    format!("{}{help}", failure.detail)
}

impl Sink for Printer {
    fn connected(&mut self, resume: Resume) {
        self.connected = true;
        if resume == Resume::Impossible {
            tracing::warn!("events may be missing: the origin gave no id to resume by");
        }
    }

    fn item(&mut self, item: Item, _received: Instant) {
        match item {
            Item::Event(event) => self.show(&event),
            Item::Oversized { bytes, .. } => tracing::warn!(bytes, "an event was too large to be shown"),
            Item::Comment(_) | Item::Retry(_) => {}
        }
    }

    fn flush(&mut self) {}

    fn failed(&mut self, failure: &Failure, _more: bool) -> Verdict {
        if may_heal(failure, self.connected) {
            return Verdict::Retry;
        }
        self.finish(Finish::Refused(explained(failure, self.is_insecure)));
        Verdict::Stop
    }

    fn ended(&mut self) {
        if !self.connected {
            tracing::warn!("the origin answers 204: there is no stream, or it has ended for good");
        }
        self.finish(Finish::Done);
    }

    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_heal() {
        let failure = |reason, status| Failure {
            reason,
            status,
            detail: "x".to_owned(),
        };
        for (reason, status, at_first, later) in [
            (Reason::Dns, None, false, true),
            (Reason::Refused, None, false, true),
            (Reason::Tls, None, false, true),
            (Reason::Timeout, None, false, true),
            (Reason::ContentType, Some(200), false, true),
            (Reason::Status, Some(500), false, true),
            (Reason::Status, Some(401), false, false),
            (Reason::Status, Some(403), false, false),
            (Reason::Status, Some(404), false, false),
            (Reason::Status, Some(429), true, true),
            (Reason::Status, Some(503), true, true),
        ] {
            let failure = failure(reason, status);
            let found = (may_heal(&failure, false), may_heal(&failure, true));
            assert_eq!(found, (at_first, later), "{failure:?}");
        }
    }
}
