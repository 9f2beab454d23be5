//! Problem details (RFC 9457): the body of every error of the relay's own.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

/// The type of such a body.
pub(crate) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error's body.
pub(crate) fn details(status: StatusCode, detail: &str) -> String {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    body.to_string()
}

/// An error.
pub(crate) fn response(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(details(status, detail)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    response
}
