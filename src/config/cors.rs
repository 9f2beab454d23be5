//! Cross-origin access (Fetch standard, CORS protocol).

use super::defaults;
use super::file::ANY_DURATION;
use super::keys;
use super::reader::Item;
use super::*;

const ORIGIN_FORM: &str = "`*`, or an origin such as `https://www.example.com`";

/// Reads the section `cors`.
pub(super) fn read(item: &Item<'_>) -> Option<Cors> {
    let section = item.section(keys::names(keys::CORS))?;
    let texts = |key, default: &[&str], form, check: fn(&str) -> bool| match section.get(key) {
        Some(item) => item
            .one_or_more()
            .iter()
            .map(|item| checked(item, form, check))
            .collect::<Vec<_>>()
            .into_iter()
            .collect(),
        None => Some(default.iter().map(|text| (*text).to_owned()).collect()),
    };
    let origins = match section.need("origins", ORIGIN_FORM) {
        Some(_) => texts("origins", &[], ORIGIN_FORM, is_origin),
        None => None,
    };
    let credentials = section.flag("credentials", false);
    let headers = texts(
        "headers",
        &defaults::CORS_HEADERS,
        "a header's name, or `*`",
        is_header_name,
    );
    let methods = texts(
        "methods",
        &defaults::CORS_METHODS,
        "a method such as `GET`, or `*`",
        is_method,
    );
    let exposed_headers = texts("exposed_headers", &[], "a header's name, or `*`", is_header_name);
    let max_age = section.duration("max_age", defaults::CORS_MAX_AGE, ANY_DURATION);
    section.finish();
    let cors = Cors {
        origins: origins?,
        credentials: credentials?,
        headers: headers?,
        methods: methods?,
        exposed_headers: exposed_headers?,
        max_age: max_age?,
    };
    check_whole(item, &cors);
    Some(cors)
}

/// What the parts mean together.
pub(super) fn check_whole(item: &Item<'_>, cors: &Cors) {
    if cors.origins.is_empty() {
        item.warn("no origin is allowed: no CORS headers are sent");
    }
    if cors.credentials && cors.origins.iter().any(|origin| origin == "*") {
        item.warn("`credentials` with the origin `*`: any web page may read with its visitor's cookies");
    }
}

/// The text, if it passes the check.
fn checked(item: &Item<'_>, form: &str, check: fn(&str) -> bool) -> Option<String> {
    let text = item.text(form)?;
    if !check(text) {
        item.mistake(item.found(), form);
        return None;
    }
    Some(text.to_owned())
}

/// `*`, `null`, or scheme, host and port as a browser writes them (RFC 6454, section 6.2); a host that begins with `*.` is every one below
/// it.
pub(super) fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return text == "*" || text == "null";
    };
    let scheme_is_right = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    let authority = authority.strip_prefix("*.").unwrap_or(authority);
    let authority_is_right = !authority.contains(['@', '*'])
        && authority
            .parse::<hyper::http::uri::Authority>()
            .is_ok_and(|parsed| !parsed.host().is_empty());
    scheme_is_right && authority_is_right && !authority.bytes().any(|b| b.is_ascii_uppercase())
}

pub(super) fn is_header_name(text: &str) -> bool {
    hyper::header::HeaderName::from_bytes(text.as_bytes()).is_ok()
}

pub(super) fn is_method(text: &str) -> bool {
    hyper::Method::from_bytes(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for text in [
            "*",
            "null",
            "https://a.example",
            "http://a:8080",
            "http://[::1]:80",
            "chrome-extension://abc",
            "https://*.a.example:8443",
        ] {
            assert!(is_origin(text), "{text}");
        }
        for text in [
            "",
            "a.example",
            "https://",
            "https://a/",
            "https://*a",
            "https://*",
            "https://*.",
            "https://a.*.example",
            "https://*.*.example",
            "https://A",
            "https://u@a",
            "HTTPS://a",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
