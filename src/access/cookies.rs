//! Cookies of a request (RFC 6265, 4.2).

use super::query::One;
use hyper::HeaderMap;
use hyper::header::COOKIE;

/// The cookie of this name. Two with different values are ambiguous: a page of a neighbouring domain
/// may have set one of them, and no order is promised (4.2.2).
pub(super) fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> One<&'a str> {
    let mut found = One::None;
    for header in headers.get_all(COOKIE) {
        let Ok(text) = header.to_str() else { continue };
        for pair in text.split(';') {
            let Some((name, value)) = pair.trim().split_once('=') else {
                continue;
            };
            if name != wanted {
                continue;
            }
            let value = unquoted(value);
            found = match found {
                One::None => One::Value(value),
                One::Value(before) if before == value => found,
                _ => One::Many,
            };
        }
    }
    found
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cookie_of_a_name_counts() {
        let of = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(COOKIE, field.parse().expect("a value"));
            }
            match cookie(&headers, "s") {
                One::None => "none".to_owned(),
                One::Value(value) => format!("={value}"),
                One::Many => "many".to_owned(),
            }
        };
        for (fields, found) in [
            (&["s=1"][..], "=1"),
            (&["a=2; s=1; b"], "=1"),
            (&["a=2", "s=\"1\""], "=1"),
            (&["s=a=b"], "=a=b"),
            (&["S=1"], "none"),
            (&["xs=1"], "none"),
            (&["s=1; s=1"], "=1"),
            (&["s=1; s=2"], "many"),
            (&["s=1", "s=2; s=1"], "many"),
            (&["s=1; s=2; s=2"], "many"),
            (&[], "none"),
        ] {
            assert_eq!(of(fields), found, "{fields:?}");
        }
    }
}
