//! `${VAR}` and `${VAR:-default}` in one scalar.
//!
//! The default is used when the variable is unset or empty, and may hold further references. `$${`
//! stands for `${`; any other `$` is itself. What a variable holds is not looked at again: it can't
//! refer to others.

/// References inside defaults, inside defaults: a bound for the recursion.
const DEPTH_MAX: usize = 8;

/// Replaces the references in `text`. The error says what is wrong with one of them, and never
/// holds a value.
pub(super) fn interpolate(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Wrong> {
    expand(text, env, 0)
}

/// Whether `text` holds a reference; its escape is none.
pub(super) fn has_reference(text: &str) -> bool {
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        rest = &rest[dollar..];
        if rest.starts_with("${") {
            return true;
        }
        rest = rest.strip_prefix("$${").unwrap_or(&rest[1..]);
    }
    false
}

/// Writes `text` so that it is read back as it is.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// What is wrong with a reference, and what is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) expected: String,
}

fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<String, Wrong> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(after) = rest.strip_prefix("$${") {
            out.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let end = closing_brace(after).ok_or_else(|| Wrong {
                what: "`${` without its `}`".to_owned(),
                expected: "`${VAR}` or `${VAR:-default}` (`$${` for a `${` as text)".to_owned(),
            })?;
            out.push_str(&reference(&after[..end], env, depth)?);
            rest = &after[end + 1..];
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the reference that began just before `text` ends, references within it skipped.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 0;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if index > 0 && bytes[index - 1] == b'$' => open += 1,
            b'}' if open == 0 => return Some(index),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

fn reference(inner: &str, env: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<String, Wrong> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if !is_name(name) {
        return Err(Wrong {
            what: "a reference to something that is not a variable's name".to_owned(),
            expected: "`${VAR}` or `${VAR:-default}`, the name of letters, digits and `_`".to_owned(),
        });
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(_)) if depth == DEPTH_MAX => Err(Wrong {
            what: format!("references nested more than {DEPTH_MAX} deep"),
            expected: "fewer".to_owned(),
        }),
        (_, Some(default)) => expand(default, env, depth + 1),
        (None, None) => Err(Wrong {
            what: format!("the environment variable `{name}` is not set"),
            expected: format!("it to be set, or a default: `${{{name}:-...}}`"),
        }),
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, Wrong> {
        interpolate(text, &|name| match name {
            "HOST" => Some("example.com".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOST}".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn references_become_values() {
        for (text, expected) in [
            ("plain", "plain"),
            ("https://${HOST}/x", "https://example.com/x"),
            ("${EMPTY}", ""),
            ("${NONE:-a:-b}", "a:-b"),
            ("${EMPTY:-filled}", "filled"),
            ("${NONE:-}", ""),
            ("${NONE:-${HOST}}/${HOST}", "example.com/example.com"),
            ("${NONE:-${ALSO_NONE:-deep}}", "deep"),
            ("${NESTED}", "${HOST}"),
            ("pa$$word $HOST $", "pa$$word $HOST $"),
            ("$${HOST}", "${HOST}"),
            ("{job}", "{job}"),
        ] {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_references_are_told() {
        for text in [
            "${NONE}",
            "${",
            "${HOST",
            "${}",
            "${9}",
            "${A B}",
            "${HOST:+x}",
            "${NONE:-${NONE}}",
        ] {
            assert!(with(text).is_err(), "{text}");
        }
    }

    #[test]
    fn defaults_nest_only_so_deep() {
        let deep = format!("{}x{}", "${NONE:-".repeat(20), "}".repeat(20));
        assert!(with(&deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn escaped_text_is_read_back(text in "[${}a:\\-]{0,20}") {
            proptest::prop_assert!(!has_reference(&escape(&text)));
            proptest::prop_assert_eq!(with(&escape(&text)), Ok(text));
        }
    }
}
