//! The links of a feed: found with a parser, replaced in place. Every other byte stays as it is.

use super::links::{Links, View};
use crate::upstream::{FEED_NODES_MAX, Url, base_of, is_stream_link, plain_attribute};
use roxmltree::{Document, ParsingOptions};
use std::borrow::Cow;
use std::ops::Range;

/// Why a body is not looked at, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// One in which a byte is not always a character of its own, and that is not UTF-8.
    Encoding,
    /// No well-formed XML, or one with a DTD.
    Xml,
}

/// The body with its event-stream links rewritten; `None`: there is nothing to rewrite. `charset`:
/// what the content type says.
pub(super) fn rewrite(
    body: &[u8],
    charset: Option<&str>,
    links: &Links,
    view: &View<'_>,
) -> Result<Option<Vec<u8>>, Unreadable> {
    if !may_hold_a_link(body) {
        return Ok(None);
    }
    // RFC 7303, 3: the mark, then the parameter, then the declaration.
    let has_mark = body.starts_with(MARK);
    let encoding = match (has_mark, charset) {
        (true, _) => None,
        (false, Some(charset)) => Some(charset),
        (false, None) => declared_encoding(body),
    };
    let (text, is_masked) = match encoding {
        Some(name) if is_single_byte(name) => (masked(body), true),
        Some(name) if !is_utf8(name) => return Err(Unreadable::Encoding),
        _ => {
            let text = std::str::from_utf8(body).map_err(|_| Unreadable::Encoding)?;
            (Cow::Borrowed(text), false)
        }
    };
    let trimmed = text.trim_start_matches('\u{feff}').trim_start();
    let offset = text.len() - trimmed.len();
    let mut changes = changes(trimmed, links, view)?;
    if is_masked {
        // What a masked URL says is not known.
        changes.retain(|(range, _)| body[range.start + offset..range.end + offset].is_ascii());
    }
    if changes.is_empty() {
        return Ok(None);
    }
    let mut rewritten = Vec::with_capacity(body.len() + 64 * changes.len());
    let mut done = 0;
    for (range, href) in changes {
        rewritten.extend_from_slice(&body[done..range.start + offset]);
        rewritten.extend_from_slice(escaped(&href).as_bytes());
        done = range.end + offset;
    }
    rewritten.extend_from_slice(&body[done..]);
    Ok(Some(rewritten))
}

/// The bytes to replace, in order, and by what.
fn changes(text: &str, links: &Links, view: &View<'_>) -> Result<Vec<(Range<usize>, String)>, Unreadable> {
    let options = ParsingOptions {
        nodes_limit: FEED_NODES_MAX,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|_| Unreadable::Xml)?;
    let mut changes = Vec::new();
    for link in document.descendants().filter(is_stream_link) {
        let Some(href) = plain_attribute(link, "href") else {
            continue;
        };
        let resolved = base_of(link, &view.request).and_then(|base| base.join(href.value()));
        // A link that can't be resolved stays as it is.
        let Ok(url) = resolved else { continue };
        let Some(ours) = links.rewritten(&url, view) else {
            continue;
        };
        // It leads there already, however it is written.
        if Url::parse(&ours).is_ok_and(|ours| ours == url) {
            continue;
        }
        let range = href.range_value();
        // What the parser says of very long attributes is wrong, by its own documentation.
        let quoted = text
            .as_bytes()
            .get(range.start.wrapping_sub(1))
            .zip(text.as_bytes().get(range.end));
        if !quoted.is_some_and(|(open, close)| open == close && matches!(open, b'"' | b'\'')) {
            return Err(Unreadable::Xml);
        }
        changes.push((range, ours));
    }
    Ok(changes)
}

/// Whether it is worth parsing: the type stands in every link that counts, if not in letters, then
/// as character references.
fn may_hold_a_link(body: &[u8]) -> bool {
    const TYPE: &[u8] = b"event-stream";
    memchr::memmem::find(body, b"&#").is_some()
        || memchr::memchr2_iter(b'e', b'E', body)
            .any(|at| body.get(at..at + TYPE.len()).is_some_and(|found| found.eq_ignore_ascii_case(TYPE)))
        // Not UTF-8, but perhaps a feed: to be said, not overlooked.
        || body.starts_with(b"\xff\xfe")
        || body.starts_with(b"\xfe\xff")
}

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes in which an encoding is declared: a declaration is at the beginning, and short.
const DECLARATION_BYTES_MAX: usize = 256;

/// The encoding in `<?xml version="1.0" encoding="..."?>`.
fn declared_encoding(body: &[u8]) -> Option<&str> {
    let beginning = body.trim_ascii_start();
    let beginning = &beginning[..beginning.len().min(DECLARATION_BYTES_MAX)];
    let end = memchr::memmem::find(beginning, b"?>")?;
    let declaration = std::str::from_utf8(&beginning[..end]).ok()?.strip_prefix("<?xml")?;
    let after = declaration
        .split_once("encoding")?
        .1
        .trim_start()
        .strip_prefix('=')?
        .trim_start();
    let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Some(after[1..].split_once(quote)?.0)
}

/// US-ASCII is a part of UTF-8.
fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii"]
        .iter()
        .any(|known| name.trim().eq_ignore_ascii_case(known))
}

/// Whether each byte is a character, and the ASCII ones are ASCII's.
fn is_single_byte(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let families = ["iso-8859-", "iso_8859-", "latin", "windows-125", "cp125", "koi8-"];
    families.iter().any(|family| name.starts_with(family))
}

/// Text of single bytes as far as markup and links need it: what is not ASCII is some letter or
/// other, in the same place.
fn masked(body: &[u8]) -> Cow<'_, str> {
    let letter = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '_' };
    body.iter().map(letter).collect::<String>().into()
}

/// For a value within either kind of quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
