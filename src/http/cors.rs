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
    let named = cors
        .origins
        .iter()
        .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
    match (any, named, cors.credentials) {
        (true, _, false) => Some(HeaderValue::from_static("*")),
        (true, _, true) | (false, true, _) => Some(origin.clone()),
        (false, false, _) => None,
    }
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
