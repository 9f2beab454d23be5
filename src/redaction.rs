//! What must not be shown of URLs and of what may hold them: in logs, errors, `/status`, and what
//! `check` prints.

/// What stands for a secret in what is shown.
pub(crate) const MASK: &str = "***";

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
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// A URL as it may be shown in logs, errors and `/status`: without userinfo and fragment, all
/// values of its query masked. Works on any text, also on one that is no URL.
pub(crate) fn redact(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let before = url.split('?').next().unwrap_or_default();
    let authority = before.find("//").map_or(0, |at| at + 2);
    let path = before[authority..].find('/').map_or(before.len(), |at| authority + at);
    let host = before[authority..path]
        .rfind('@')
        .map_or(authority, |at| authority + at + 1);
    mask_query(&format!("{}{}", &url[..authority], &url[host..]), |_, _| true)
}

/// A text as the operator who wrote it may see it: credentials in URLs masked, wherever they stand
/// in it.
pub(crate) fn mask_credentials(text: &str) -> String {
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

/// A URL as the operator who wrote it may see it: those values masked whose names say that they are
/// secret.
pub(crate) fn mask_secrets(url: &str) -> String {
    // A parameter of the path is no secret: it is a place for one of the client's.
    mask_query(url, |name, value| names_a_secret(name) && !value.starts_with('{'))
}

/// A URL whose query's values are masked where `is_secret` says so of name and value. What has no
/// name is a value.
fn mask_query(url: &str, is_secret: impl Fn(&str, &str) -> bool) -> String {
    let Some((before, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if is_secret(name, value) => format!("{name}={MASK}"),
        None if is_secret("", pair) => MASK.to_owned(),
        _ => pair.to_owned(),
    });
    format!("{before}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret() {
        for (text, expected) in [
            ("https://u:p@h/x?token=s3cret&b", "https://h/x?token=***&***"),
            ("https://u:p@ss@h/x@y", "https://h/x@y"),
            ("u:p@h", "h"),
            ("http://h/x#s3cret", "http://h/x"),
            ("http://h?s3cret", "http://h?***"),
            ("", ""),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn an_operator_sees_the_rest() {
        assert_eq!(
            mask_credentials("http://u:p@h/x and https://t@h"),
            "http://***@h/x and https://***@h"
        );
        assert_eq!(mask_credentials("http://h/x@y"), "http://h/x@y");
        assert_eq!(
            mask_secrets("http://h/?a=1&access_token=2&Key={k}&x"),
            "http://h/?a=1&access_token=***&Key={k}&x"
        );
    }
}
