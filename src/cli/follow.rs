//! `tail` at work: an upstream whose sink is the terminal.

use super::tail::{Colour, TailArgs};
use crate::config::{Credentials, Secret, Upstream};
use crate::error::Exit;
use crate::event_stream::{Event, Item, ParserOptions};
use crate::metrics::Metrics;
use crate::upstream::{self, Failure, Handles, Options, Resume, Sink, StatusCell, Verdict};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// Largest event shown.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The environment variable with the password, for `--user NAME`.
const PASSWORD_VARIABLE: &str = "FANFARE_PASSWORD";

/// Follows an event stream until it ends for good, the reader of our output leaves, or `--count` is reached. Resumes by itself.
pub async fn tail(args: TailArgs) -> anyhow::Result<Exit> {
    let mut upstream = Upstream::defaults(&args.url);
    upstream.headers.extend(args.headers.iter().cloned());
    if let Some(user) = &args.user {
        let from_environment = || std::env::var(PASSWORD_VARIABLE).unwrap_or_default();
        let password = user.password.clone().unwrap_or_else(|| Secret(from_environment()));
        upstream.credentials = Some(Credentials::Basic {
            username: user.name.clone(),
            password,
        });
    }
    // Who follows by hand sees silence.
    upstream.read_timeout = std::time::Duration::ZERO;
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
    let colours = match args.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    let left = args.count.unwrap_or(u64::MAX);
    let printer = Printer {
        json: args.json,
        colours,
        left,
        id: Vec::new(),
        finish: Some(finish),
    };
    let status = Arc::new(StatusCell::new());
    tokio::select! {
        () = upstream::run(Arc::new(upstream), options, printer, status, handles) => {
            Ok(finished.try_recv().unwrap_or(Exit::Done))
        }
        exit = &mut finished => Ok(exit.unwrap_or(Exit::Done)),
    }
}

struct Printer {
    json: bool,
    colours: bool,
    /// Events still to be shown.
    left: u64,
    id: Vec<u8>,
    finish: Option<oneshot::Sender<Exit>>,
}

impl Printer {
    fn show(&mut self, event: &Event) {
        if let Some(id) = event.id() {
            self.id = id.to_vec();
        }
        if !event.dispatches() || self.left == 0 {
            return;
        }
        self.left -= 1;
        let id = String::from_utf8_lossy(&self.id);
        let data = event.data();
        let data = String::from_utf8_lossy(&data);
        let event_type = String::from_utf8_lossy(event.event_type());
        let event_type = if event_type.is_empty() { "message" } else { &event_type };
        let line = if self.json {
            serde_json::json!({ "id": id, "event": event_type, "data": data }).to_string()
        } else {
            let (blue, grey, off) = if self.colours {
                ("\x1b[34m", "\x1b[90m", "\x1b[0m")
            } else {
                ("", "", "")
            };
            // What an origin sends must not steer the terminal.
            let (id, event_type, data) = (harmless(&id), harmless(event_type), harmless(&data));
            let id = if id.is_empty() {
                String::new()
            } else {
                format!("{grey}{id}{off} ")
            };
            format!("{id}{blue}{event_type}{off} {data}")
        };
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{line}").and_then(|()| out.flush());
        // A closed pipe is how `tail | head` ends.
        if written.is_err() || self.left == 0 {
            self.finish(Exit::Done);
        }
    }

    fn finish(&mut self, exit: Exit) {
        self.left = 0;
        if let Some(finish) = self.finish.take() {
            // Nobody waits any more: then it is over anyway.
            let _ = finish.send(exit);
        }
    }
}

/// Control characters but line ends and tabs shown as themselves would be escape sequences.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && !matches!(c, '\n' | '\t') {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

impl Sink for Printer {
    fn connected(&mut self, resume: Resume) {
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
        // What no repetition heals: tell the shell.
        let refused = failure
            .status
            .is_some_and(|status| (400..500).contains(&status) && !matches!(status, 408 | 429));
        if refused {
            let detail = &failure.detail;
            tracing::error!(detail, "the origin refuses the stream");
            self.finish(Exit::Failed);
            return Verdict::Stop;
        }
        Verdict::Retry
    }

    fn ended(&mut self) {
        self.finish(Exit::Done);
    }

    async fn ready(&mut self) {}
}
