//! `tail`: which events are shown, and as what.

use crate::timestamp::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The type of an event that names none (HTML, 9.2.6).
const MESSAGE: &str = "message";

/// An event as it is shown.
pub(super) struct Shown<'a> {
    /// The id in force; empty: none.
    pub(super) id: &'a str,
    pub(super) event_type: &'a str,
    pub(super) data: &'a str,
    /// When it came.
    pub(super) at: SystemTime,
}

/// Which events are shown.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// Their types; empty: any.
    pub(super) types: Vec<String>,
    /// What their data hold.
    pub(super) text: Option<String>,
}

impl Filter {
    pub(super) fn fits(&self, event: &Shown<'_>) -> bool {
        let is_type = |wanted: &String| wanted == named(event.event_type);
        (self.types.is_empty() || self.types.iter().any(is_type))
            && self.text.as_ref().is_none_or(|text| event.data.contains(text))
    }
}

/// As what events are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Form {
    /// An object of JSON a line.
    pub(super) json: bool,
    pub(super) colours: bool,
    /// With the time at which it came.
    pub(super) timestamps: bool,
}

impl Form {
    /// The event, without a line end behind it.
    pub(super) fn of(self, event: &Shown<'_>) -> String {
        match self.json {
            true => self.json(event),
            false => self.text(event),
        }
    }

    fn json(self, event: &Shown<'_>) -> String {
        let mut object = serde_json::Map::new();
        if self.timestamps {
            object.insert("time".to_owned(), time(event.at).into());
        }
        for (key, value) in [
            ("id", event.id),
            ("event", named(event.event_type)),
            ("data", event.data),
        ] {
            object.insert(key.to_owned(), value.into());
        }
        serde_json::Value::Object(object).to_string()
    }

    fn text(self, event: &Shown<'_>) -> String {
        let (blue, grey, off) = match self.colours {
            true => ("\x1b[34m", "\x1b[90m", "\x1b[0m"),
            false => ("", "", ""),
        };
        let mut line = String::new();
        if self.timestamps {
            line.push_str(&format!("{grey}{}{off} ", time(event.at)));
        }
        if !event.id.is_empty() {
            line.push_str(&format!("{grey}{}{off} ", harmless(event.id)));
        }
        let (event_type, data) = (harmless(named(event.event_type)), harmless(event.data));
        line.push_str(&format!("{blue}{event_type}{off} {data}"));
        line
    }
}

fn named(event_type: &str) -> &str {
    match event_type {
        "" => MESSAGE,
        named => named,
    }
}

/// To the millisecond, in UTC (RFC 3339).
fn time(at: SystemTime) -> String {
    let milliseconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_millis();
    let seconds = Timestamp(at).to_string();
    format!("{}.{milliseconds:03}Z", seconds.trim_end_matches('Z'))
}

/// Replaces control characters but line ends and tabs: what an origin sends must not steer the
/// terminal.
fn harmless(text: &str) -> String {
    let replaced = |c: char| match c.is_control() && !matches!(c, '\n' | '\t') {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    };
    text.chars().map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn event<'a>(event_type: &'a str, data: &'a str) -> Shown<'a> {
        Shown {
            id: "7",
            event_type,
            data,
            at: UNIX_EPOCH + Duration::from_millis(1_795_383_245_007),
        }
    }

    #[test]
    fn types_and_text_choose() {
        let filter = |types: &[&str], text: Option<&str>| Filter {
            types: types.iter().map(|&name| name.to_owned()).collect(),
            text: text.map(str::to_owned),
        };
        let (change, plain) = (event("change", "section 7"), event("", "section 8"));
        for (filter, wanted) in [
            (filter(&[], None), (true, true)),
            (filter(&["change"], None), (true, false)),
            (filter(&["message"], None), (false, true)),
            (filter(&["a", "message"], None), (false, true)),
            (filter(&[], Some("section")), (true, true)),
            (filter(&[], Some("7")), (true, false)),
            (filter(&["change"], Some("8")), (false, false)),
        ] {
            assert_eq!((filter.fits(&change), filter.fits(&plain)), wanted, "{filter:?}");
        }
    }

    #[test]
    fn a_line_is_text_or_json_with_or_without_its_time() {
        let (plain, mut form) = (event("", "a\x1b[2J\nb"), Form::default());
        assert_eq!(form.of(&plain), "7 message a\u{fffd}[2J\nb");
        form.timestamps = true;
        assert_eq!(form.of(&event("x", "a")), "2026-11-22T21:34:05.007Z 7 x a");
        form.json = true;
        let json = r#"{"time":"2026-11-22T21:34:05.007Z","id":"7","event":"x","data":"a"}"#;
        assert_eq!(form.of(&event("x", "a")), json);
        let coloured = Form {
            colours: true,
            ..Form::default()
        };
        assert_eq!(coloured.of(&event("x", "a")), "\x1b[90m7\x1b[0m \x1b[34mx\x1b[0m a");
    }
}
