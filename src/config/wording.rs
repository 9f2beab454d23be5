//! How messages show what stands in a file, and what was probably meant.

use crate::redaction::{mask_credentials, mask_secrets};
use std::ops::RangeInclusive;

/// Characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 60;

/// Text as a message shows it: one line, bounded, secrets in URLs masked.
pub(super) fn shown(text: &str) -> String {
    let masked = mask_secrets(&mask_credentials(text));
    let mut out = String::from("`");
    for c in masked.chars().take(SHOWN_CHARS_MAX) {
        // Printable characters stay, backslashes and quotes too: the operator has to find them in
        // the file.
        match c {
            '\\' | '"' | '\'' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    if masked.chars().count() > SHOWN_CHARS_MAX {
        out.push('…');
    }
    out + "`"
}

/// The word that was meant, if one is near enough.
pub(super) fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // The distance's cost is the product of the lengths.
    if word.len() > SHOWN_CHARS_MAX {
        return None;
    }
    let folded = word.to_ascii_lowercase().replace('-', "_");
    // A third of the letters may be wrong: enough for typing mistakes, too little for another word.
    let bound = |known: &str| (known.chars().count().max(folded.chars().count()) / 3).max(1);
    words
        .map(|known| (strsim::damerau_levenshtein(&folded, &known.to_ascii_lowercase()), known))
        .filter(|(distance, known)| *distance <= bound(known))
        .min()
        .map(|(_, known)| known)
}

/// `form (hint)`.
pub(super) fn with_hint(form: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{form} ({hint})"),
        None => form.to_owned(),
    }
}

/// `one of a, b, c`.
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [word] => format!("`{word}`"),
        _ => format!("one of {}", quoted(words)),
    }
}

/// Words in backquotes, separated by commas.
pub(super) fn quoted(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// `from a to b`.
pub(super) fn between<T: Copy>(range: &RangeInclusive<T>, format: impl Fn(T) -> String) -> String {
    format!("from {} to {}", format(*range.start()), format(*range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_one_line() {
        for (text, expected) in [
            ("a\nb", "`a\\nb`"),
            ("^https://.*\\.example$", "`^https://.*\\.example$`"),
            ("say \"hi\"", "`say \"hi\"`"),
            ("http://u:hunter2@o/", "`http://***@o/`"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown(&"x".repeat(100)).chars().count(), SHOWN_CHARS_MAX + 3);
    }
}
