//! The responses of a [`super::Server`], each in one line at its place of use.

use crate::http::problem;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::StatusCode;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};

pub(crate) use crate::http::response::{Body, Response};

pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Health and numbers are of this moment: nothing here is ever kept by a cache.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-content-type-options"),
    HeaderValue::from_static("nosniff"),
);

/// A response whose body is known.
pub(crate) fn whole(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response {
    let body = body.into();
    // Set here and not left to hyper, so that HEAD, which has no body, has the same head (RFC 9110,
    // 9.3.2).
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(NO_SNIFF.0, NO_SNIFF.1);
    response
}

/// No body at all.
pub(crate) fn empty() -> Body {
    Full::default().map_err(|never| match never {}).boxed_unsync()
}

/// An event stream, with what it says.
pub(crate) fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(NO_SNIFF.0, NO_SNIFF.1);
    response
}

/// An error (RFC 9457).
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    whole(status, problem::MEDIA_TYPE, problem::details(status, detail))
}

/// 405, with what is allowed (RFC 9110, 15.5.6).
pub(crate) fn method_not_allowed(allow: &'static str) -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("allowed here: {allow}"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// `OPTIONS *`: what the server can do (RFC 9110, 9.3.7).
pub(crate) fn options(allow: &'static str) -> Response {
    let mut response = Response::new(Full::default().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}
