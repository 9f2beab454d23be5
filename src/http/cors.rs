//! Cross-origin access (Fetch standard, 3.2).

use crate::config::Cors;
use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName, HeaderValue,
    ORIGIN, VARY,
};

/// The headers that let a script of the request's origin read the answer.
pub(super) fn headers(cors: Option<&Cors>, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let Some(cors) = cors else { return Vec::new() };
    // The answer differs by origin, or may after a reload: caches have to know.
    let mut headers = vec![(VARY, HeaderValue::from_static("Origin"))];
    let Some(origin) = request.get(ORIGIN) else {
        return headers;
    };
    let Some(allowed) = allowed_origin(cors, origin) else {
        return headers;
    };
    headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, allowed));
    if cors.credentials {
        headers.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
    }
    headers.extend(list(ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed_headers));
    headers
}

/// The same, and what a preflight asks for.
pub(super) fn preflight_headers(cors: Option<&Cors>, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = headers(cors, request);
    if let Some(cors) = cors
        && headers.iter().any(|(name, _)| name == ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        headers.extend(list(ACCESS_CONTROL_ALLOW_METHODS, &cors.methods));
        headers.extend(list(ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers));
        headers.push((ACCESS_CONTROL_MAX_AGE, cors.max_age.as_secs().into()));
    }
    headers
}

/// With credentials a wildcard is not allowed by the standard: the origin is named.
fn allowed_origin(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    let any = cors.origins.iter().any(|allowed| allowed == "*");
    let named = cors.origins.iter().any(|allowed| is_named(allowed, origin.as_bytes()));
    match (any, named, cors.credentials) {
        (true, _, false) => Some(HeaderValue::from_static("*")),
        (true, _, true) | (false, true, _) => Some(origin.clone()),
        (false, false, _) => None,
    }
}

/// Whether `allowed` is this origin, or `https://*.example.com` and it is below that.
fn is_named(allowed: &str, origin: &[u8]) -> bool {
    let Some((scheme, parent)) = allowed.split_once("://*.") else {
        return allowed.as_bytes().eq_ignore_ascii_case(origin);
    };
    let below = || {
        let origin = std::str::from_utf8(origin).ok()?.to_ascii_lowercase();
        let host = origin.strip_prefix(scheme)?.strip_prefix("://")?;
        let labels = host.strip_suffix(parent)?.strip_suffix('.')?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        (!labels.is_empty() && labels.bytes().all(is_name)).then_some(())
    };
    below().is_some()
}

fn list(name: HeaderName, values: &[String]) -> Option<(HeaderName, HeaderValue)> {
    if values.is_empty() {
        return None;
    }
    // Checked when the configuration was read; a value that no header can carry is left out.
    HeaderValue::from_str(&values.join(", "))
        .ok()
        .map(|value| (name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_names_all_below_it_and_nobody_else() {
        for (allowed, origin, expected) in [
            ("https://a.example", "https://A.example", true),
            ("https://a.example", "https://b.a.example", false),
            ("https://*.a.example", "https://b.a.example", true),
            ("https://*.a.example", "https://c.b.A.example", true),
            ("https://*.a.example", "https://a.example", false),
            ("https://*.a.example", "https://.a.example", false),
            ("https://*.a.example", "https://ba.example", false),
            ("https://*.a.example", "http://b.a.example", false),
            ("https://*.a.example", "https://b.a.example:8443", false),
            ("https://*.a.example:8443", "https://b.a.example:8443", true),
            ("https://*.a.example", "https://evil/.a.example", false),
            ("https://*.a.example", "https://b.a.example.evil", false),
            ("https://*.a.example", "null", false),
        ] {
            assert_eq!(is_named(allowed, origin.as_bytes()), expected, "{allowed} {origin}");
        }
    }
}
