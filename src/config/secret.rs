//! What never reaches a log, an error, `/status` or a metric, and how it is kept out of what is shown.

/// What stands for a secret in what is printed.
pub(super) const MASK: &str = "***";

/// A value that is never shown: its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

/// Parts of a name that say that the value is likely to be a secret.
const SECRET_NAMES: [&str; 10] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "pass",
    "pwd",
    "secret",
    "session",
    "sig",
    "token",
];

/// Whether a header or a query parameter of this name is likely to hold a secret.
pub(super) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Credentials in URLs replaced by `***`, wherever in `text` they stand.
pub(super) fn mask(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after.find(['/', '?', '#', ' ']).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                out.push_str(MASK);
                &after[at..]
            }
            None => after,
        };
    }
    out + rest
}

/// Query values masked whose name says that they are secret, for what is printed.
pub(super) fn mask_query(url: &str) -> String {
    let Some((before, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        // A parameter of the path is no secret: it is a place for one of the client's.
        Some((name, value)) if names_a_secret(name) && !value.starts_with('{') => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    format!("{before}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked() {
        assert_eq!(
            mask("http://u:p@h/x and https://t@h"),
            "http://***@h/x and https://***@h"
        );
        assert_eq!(mask("http://h/x@y"), "http://h/x@y");
        assert_eq!(
            mask_query("http://h/?a=1&access_token=2&Key={k}"),
            "http://h/?a=1&access_token=***&Key={k}"
        );
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "***");
    }
}
