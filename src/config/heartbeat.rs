//! What a quiet client gets.

use super::codec::{ANY_DURATION, Custom};
use super::end_rules::{EVENT_TYPE, TEXT};
use super::field::Presence as _;
use super::item::Item;
use super::node::Value;
use super::shape::Shape;
use super::table::{Table as _, section};
use bytes::Bytes;
use std::time::Duration;

/// A heartbeat goes to every quiet client.
const BYTES_MAX: usize = 64 << 10;

/// A comment, in plain form.
const COMMENT: &[u8] = b":\n\n";

const FORM: &str = "`comment`, or field lines such as `data: ping`";

section! {
    /// What a quiet client gets.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Heartbeat {
        /// After this long without a byte to that client; 0s: never.
        pub every: Duration = ANY_DURATION.or("15s"),
        /// What is written: `comment`, field lines such as `data: ping`, or an event.
        pub block("as"): Bytes = BLOCK.or("comment"),
    }
}

section! {
    /// An event as a heartbeat.
    struct Event {
        /// The event's type; without it, the default type.
        event: Option<String> = EVENT_TYPE.optional(),
        /// The event's data.
        data: String = TEXT.needed("the event's data"),
    }
}

/// The block that is written, in plain form (`:\n\n`, `data: ping\n\n`).
const BLOCK: Custom<Bytes> = Custom {
    shape: || {
        Shape::Either(vec![
            Shape::Text(&["comment", "data: ping", ": hello", "event: a\ndata: b"]),
            Shape::Section(Event::keys()),
        ])
    },
    read: block,
    print: |block| {
        Some(match block.as_ref() {
            COMMENT => "comment".into(),
            block => String::from_utf8_lossy(block).trim_end_matches('\n').into(),
        })
    },
};

fn block(item: &Item<'_>) -> Option<Bytes> {
    let lines = match &item.node.value {
        Value::Map(_) => event_lines(&Event::read(item)?),
        _ => match item.text(FORM)? {
            "comment" => return Some(Bytes::from_static(COMMENT)),
            text => with_plain_line_ends(text),
        },
    };
    let lines = lines.trim_end_matches('\n');
    if let Err(expected) = check_fields(lines) {
        item.mistake(item.found(), expected);
        return None;
    }
    if !lines
        .lines()
        .any(|line| line.starts_with("data") || line.starts_with(':'))
    {
        item.warn("an event without a `data` line: clients ignore it");
    }
    Some(Bytes::from(format!("{lines}\n\n")))
}

fn event_lines(event: &Event) -> String {
    let mut lines = match &event.event {
        Some(name) => format!("event: {name}\n"),
        None => String::new(),
    };
    for line in with_plain_line_ends(&event.data).split('\n') {
        lines.push_str(&format!("data: {line}\n"));
    }
    lines
}

fn with_plain_line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// WHATWG HTML 9.2.5: what may stand in a block that must not touch the client's last event ID. The
/// error is what is expected.
fn check_fields(lines: &str) -> Result<(), &'static str> {
    if lines.len() > BYTES_MAX {
        return Err("at most 64KiB");
    }
    for line in lines.split('\n') {
        match line.split_once(':').map_or(line, |(field, _)| field) {
            "" if line.is_empty() => return Err("lines without a blank one among them: it would end the event"),
            // A comment, and the fields that an event is made of.
            "" | "data" | "event" => {}
            "id" => return Err("no `id`: it would replace the client's last event ID"),
            "retry" => return Err("no `retry`: see `reconnect`"),
            _ => {
                return Err(
                    "`comment`, or field lines such as `data: ping`: each `data: ...`, `event: ...` or `: ...`",
                );
            }
        }
    }
    Ok(())
}
