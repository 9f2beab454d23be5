//! The line that a mistake is in, with a caret below what it is about.
//!
//! A configuration holds secrets, and what `check` says may end in the log of a build: no value is
//! shown that may be one. Where the file can't be read as YAML it is not known which those are, and no
//! value is shown.

use crate::config::Diagnostic;
use crate::redaction::{MASK, mask_credentials, mask_secrets, names_a_secret};
use std::ops::Range;

/// Characters of a line that are shown: more wraps in a terminal, and hides the caret.
const WIDTH_MAX: usize = 120;

/// What is shown to the left of the place, of a line that is longer than that.
const BEFORE: usize = 60;

/// The key whose value is hidden as a whole: any header may hold a secret.
const HEADERS: &str = "headers";

/// Keys with secrets.
const SECRETS: [&str; 3] = ["password", "bearer", "secret"];

/// Keys that sound like secrets, and are none.
const PLAIN: [&str; 6] = ["key", "keys", "pass", "passes", "cookie", "cookies"];

/// The excerpt of a mistake in this text, as lines; `None`: it has no place, or none in this text.
pub(super) fn excerpt(text: &str, diagnostic: &Diagnostic) -> Option<String> {
    let place = diagnostic.place;
    let line = text.lines().nth(place.line.checked_sub(1)?)?;
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let (line, pointed) = masked(line, place.column.max(1) - 1, &diagnostic.key);
    let (line, pointed) = cut(&line, pointed);
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let (before, carets) = (" ".repeat(pointed.start), "^".repeat(pointed.len().max(1)));
    Some(format!("{margin} |\n{number} | {line}\n{margin} | {before}{carets}"))
}

/// The line as it may be shown, and which of its characters are meant. `column` counts from 0.
fn masked(line: &str, column: usize, key: &str) -> (Vec<char>, Range<usize>) {
    let chars: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = column.min(chars.len());
    let end = word_end(&chars, column);
    let mut hidden = hidden(&chars, key);
    hidden.sort_by_key(|range| range.start);
    let (mut shown, mut pointed, mut at) = (Vec::new(), None, 0);
    for range in hidden {
        if range.start < at {
            continue;
        }
        // A caret that would stand in a value that is hidden stands below its mask.
        pointed = pointed.or_else(|| (column < range.start).then(|| shown.len() + column - at));
        shown.extend(&chars[at..range.start]);
        pointed = pointed.or_else(|| range.contains(&column).then_some(shown.len()));
        shown.extend(MASK.chars());
        at = range.end;
    }
    let pointed = pointed.unwrap_or_else(|| shown.len() + column.saturating_sub(at));
    shown.extend(&chars[at..]);
    // Credentials in the addresses that are left.
    let text: String = shown.iter().collect();
    let without = words(&text, |word| mask_secrets(&mask_credentials(word)));
    if without != text {
        let before: String = shown.iter().take(pointed).collect();
        let pointed = words(&before, |word| mask_secrets(&mask_credentials(word)))
            .chars()
            .count();
        let shown: Vec<char> = without.chars().collect();
        let end = word_end(&shown, pointed.min(shown.len()));
        return (shown, pointed..end.max(pointed));
    }
    let length = if shown[pointed.min(shown.len())..].starts_with(&['*', '*', '*']) {
        MASK.len()
    } else {
        end.saturating_sub(column)
    };
    (shown, pointed..pointed + length)
}

/// The text with each word replaced; what is between them stays.
fn words(text: &str, replaced: impl Fn(&str) -> String) -> String {
    text.split(' ').map(replaced).collect::<Vec<_>>().join(" ")
}

/// The characters that are values which may be secrets.
fn hidden(chars: &[char], key: &str) -> Vec<Range<usize>> {
    let is_unread = key.is_empty();
    let in_headers = key.split(['.', '[']).any(|part| part == HEADERS);
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(colon) = (at..chars.len()).find(|&n| chars[n] == ':' && is_end(chars, n + 1)) {
        let name = name_before(chars, colon);
        let start = (colon + 1..chars.len())
            .find(|&n| chars[n] != ' ')
            .unwrap_or(chars.len());
        at = colon + 1;
        if start == chars.len() {
            continue;
        }
        let is_headers = is_meant(&name, HEADERS);
        let is_secret = is_unread || in_headers || is_headers || is_secret(&name);
        // What is nested is looked at key by key, where there are keys.
        let is_looked_into = match chars[start] {
            '{' => !in_headers && !is_headers,
            '[' => !in_headers && !is_headers && !is_unread,
            _ => false,
        };
        if is_secret && !is_looked_into {
            let end = value_end(chars, start);
            ranges.push(start..end);
            at = end.max(at);
        }
    }
    // The rest of a value that began in a line before.
    if is_unread && ranges.is_empty() && !chars.contains(&':') {
        let start = chars
            .iter()
            .position(|c| !matches!(c, ' ' | '-' | '}' | ']' | '#'))
            .unwrap_or(chars.len());
        if start < chars.len() {
            ranges.push(start..chars.len());
        }
    }
    ranges
}

/// Whether a key's value may be a secret: by its name, or by one that was meant.
fn is_secret(name: &str) -> bool {
    // A file of secrets is none itself, and neither is what only sounds so.
    let is_plain = name.ends_with("_file") || PLAIN.contains(&name);
    !is_plain && (names_a_secret(name) || SECRETS.iter().any(|secret| is_meant(name, secret)))
}

/// Whether one is the other, but for a slip: what is mistyped is what there are mistakes about.
fn is_meant(name: &str, meant: &str) -> bool {
    strsim::damerau_levenshtein(name, meant) <= 2
}

fn name_before(chars: &[char], colon: usize) -> String {
    let start = (0..colon)
        .rev()
        .find(|&n| matches!(chars[n], ' ' | ',' | '{' | '['))
        .map_or(0, |n| n + 1);
    chars[start..colon]
        .iter()
        .filter(|c| !matches!(c, '"' | '\''))
        .collect()
}

/// Where a value ends that begins here: at its quote, at the bracket that closes it, at what separates
/// it in a flow mapping, or with the line.
fn value_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut quote) = (0_usize, None);
    for (n, &c) in chars.iter().enumerate().skip(start) {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => continue,
            (None, '"' | '\'') if n == start || depth > 0 => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') if depth > 0 => depth -= 1,
            (None, '}' | ']') => return n,
            (None, ',') if depth == 0 && is_end(chars, n + 1) => return n,
            (None, _) => {}
        }
        if depth == 0 && quote.is_none() && n > start && matches!(c, '}' | ']') {
            return n + 1;
        }
    }
    chars.len()
}

fn is_end(chars: &[char], at: usize) -> bool {
    chars.get(at).is_none_or(|c| *c == ' ')
}

/// Where the word ends that begins here.
fn word_end(chars: &[char], start: usize) -> usize {
    let ends = |n: &usize| {
        matches!(chars[*n], ' ' | ',' | '{' | '}' | '[' | ']') || (chars[*n] == ':' && is_end(chars, n + 1))
    };
    (start..chars.len()).find(ends).unwrap_or(chars.len())
}

/// The part of a long line that is around the place.
fn cut(line: &[char], pointed: Range<usize>) -> (String, Range<usize>) {
    if line.len() <= WIDTH_MAX {
        return (line.iter().collect(), pointed);
    }
    let from = pointed.start.saturating_sub(BEFORE);
    let to = (from + WIDTH_MAX).min(line.len());
    let (before, after) = (
        if from > 0 { "… " } else { "" },
        if to < line.len() { " …" } else { "" },
    );
    let part: String = line[from..to].iter().collect();
    let shift = |at: usize| at.min(to) - from + before.chars().count();
    (
        format!("{before}{part}{after}"),
        shift(pointed.start)..shift(pointed.end),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use proptest::prelude::*;

    /// The excerpts of all mistakes of a file.
    fn excerpts(text: &str) -> String {
        let mistakes = config::read(text, "f.yaml", &|_| None).expect_err("a mistake");
        let excerpts = mistakes.iter().filter_map(|mistake| excerpt(text, mistake));
        excerpts.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_caret_is_below_what_is_meant() {
        assert_eq!(
            excerpts("sources:\n  a: {path: /, upstream: http://o/, idz: pass}\n"),
            "  |\n2 |   a: {path: /, upstream: http://o/, idz: pass}\n  |                                     ^^^"
        );
        let value = excerpts("sources:\n  ä: {path: /, upstream: http://o/, ids: wrong }\n");
        assert!(
            value.ends_with("ids: wrong }\n  |                                          ^^^^^"),
            "{value}"
        );
    }

    #[test]
    fn no_value_that_may_be_a_secret_is_shown() {
        for (text, shown) in [
            (
                "sources: {a: {path: /, bogus: 1, upstream: {url: http://o/, username: u, password: s3cret}}}",
                "password: ***}}}",
            ),
            (
                "sources: {a: {path: /, bogus: 1, upstream: {url: http://o/, bearer: \"s3cret, x\"}}}",
                "bogus",
            ),
            (
                "sources: {a: {path: /, bogus: 1, upstream: {url: 'http://u:s3cret@o/'}}}",
                "://***@o/",
            ),
            (
                "sources: {a: {path: /, bogus: 1, upstream: {url: http://o/, headers: {X-A: s3cret}}}}",
                "headers: ***}}",
            ),
            (
                "sources:\n  a:\n    path: /\n    upstream:\n      url: http://o/\n      headers:\n        X-A: [s3cret]\n",
                "X-A: ",
            ),
            ("sources:\n  a:\n    upstream:\n      password: s3cret\n   bad: x\n", ""),
            (
                "sources: {a: {path: /, upstream: {url: http://o/, username: u, pasword: s3cret}}}",
                "pasword: ***",
            ),
            (
                "sources: {a: {path: /, upstream: {url: http://o/, haeders: {X: s3cret}}}}",
                "haeders: ***",
            ),
            (
                "sources: {a: {path: /, bogus: 1, upstream: 'http://o/?token=s3cret&a=b'}}",
                "token=***&a=b",
            ),
            ("password: \"s3cret\n  s3cret", ""),
            ("a: [s3cret\nb: s3cret", ""),
        ] {
            let said = excerpts(text);
            assert!(!said.contains("s3cret") && said.contains(shown), "{text}\n{said}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("sources: {{a: {{path: /{}, upstraem: x}}}}", "p".repeat(500));
        let said = excerpts(&line);
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 140), "{said}");
        let at = |line: &str, what: char| line.chars().position(|c| c == what);
        let caret = at(lines[5], '^').expect("a caret");
        assert_eq!(
            lines[4].chars().skip(caret).take(8).collect::<String>(),
            "upstraem",
            "{said}"
        );
    }

    proptest! {
        /// Whatever the file: no panic, three lines, and a caret.
        #[test]
        fn any_place_of_any_text(text in "[ -~äß\t\n:{}\\[\\]'\"]{0,200}", line in 0..6_usize, column in 0..80_usize, key in "(|a|a\\.headers\\.b|password)") {
            let mut mistake = Diagnostic::of_the_whole("f", String::new());
            (mistake.place.line, mistake.place.column, mistake.key) = (line, column, key);
            if let Some(said) = excerpt(&text, &mistake) {
                prop_assert_eq!(said.lines().count(), 3);
                prop_assert!(said.ends_with('^'));
            }
        }
    }
}
