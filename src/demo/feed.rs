//! A section's change log as an Atom feed (RFC 4287), with the links that a Content Store's have.

use super::changelog::{Page, PageEntries};
use crate::timestamp::Timestamp;
use std::fmt::Write as _;
use std::time::SystemTime;

/// Where a feed stands: its links are made of it.
pub(super) struct Place<'a> {
    /// `http://HOST`, of the request.
    pub(super) base: &'a str,
    pub(super) section: u32,
    pub(super) page: Page,
}

/// The feed. `empty_updated` is its date while it shows nothing.
///
/// `previous` leads to what is newer and is always there: it is the address to ask next time, whose
/// feed is empty until something is new. `next` leads to what is older, and is there if anything
/// is.
pub(super) fn atom(place: &Place<'_>, shown: &PageEntries, empty_updated: SystemTime) -> String {
    let Place { base, section, page } = place;
    let feed = format!("{}/changelog/section/{section}", escaped(base));
    let itself = match page {
        Page::Newest => feed.clone(),
        Page::After(number) => format!("{feed}/after/{number}"),
        Page::Before(number) => format!("{feed}/before/{number}"),
    };
    let newest = match (shown.entries.first(), page) {
        (Some(entry), _) => entry.number,
        (None, Page::Newest) => 0,
        (None, Page::After(number)) => *number,
        (None, Page::Before(number)) => number.saturating_sub(1),
    };
    let oldest = shown
        .entries
        .last()
        .map_or(newest.saturating_add(1), |entry| entry.number);
    let updated = Timestamp(shown.entries.first().map_or(empty_updated, |entry| entry.updated));

    let mut xml = String::with_capacity(1024 + 400 * shown.entries.len());
    // Writing to a String does not fail.
    let _ = write!(
        xml,
        r#"<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <id>{id}</id>
  <title>Change log of section {section}</title>
  <updated>{updated}</updated>
  <author><name>fanfare demo</name></author>
  <link rel="self" type="application/atom+xml" href="{itself}"/>
  <link rel="previous" type="application/atom+xml" href="{feed}/after/{newest}"/>
"#,
        id = section_id(*section),
    );
    if shown.has_older {
        let _ = writeln!(
            xml,
            r#"  <link rel="next" type="application/atom+xml" href="{feed}/before/{oldest}"/>"#
        );
    }
    let _ = writeln!(
        xml,
        r#"  <link rel="http://www.vizrt.com/types/relation/changelog" type="text/event-stream" href="{}{}"/>"#,
        escaped(base),
        super::STREAM_PATH,
    );
    for entry in &shown.entries {
        let _ = write!(
            xml,
            "  <entry>\n    <id>{feed}/entry/{number}</id>\n    <title>{title}</title>\n    <updated>{updated}</updated>\n    \
             <content type=\"text\">{title}</content>\n  </entry>\n",
            feed = section_id(*section),
            number = entry.number,
            title = escaped(&entry.title),
            updated = Timestamp(entry.updated),
        );
    }
    xml.push_str("</feed>\n");
    xml
}

/// The same whatever the feed's address is (RFC 4287, 4.2.6).
fn section_id(section: u32) -> String {
    format!("tag:fanfare.example,2026:changelog/section/{section}")
}

/// As the text of an element and as the value of an attribute, in XML and in HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
