//! What the origin is told of a request, and nothing else.

use super::digest::{Digest, Keyed};
use super::query::{self, One};
use super::request::AccessRequest;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};

const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
/// Says where a client was; differs for each, and gives none a right.
const LAST_EVENT_ID_PARAMETER: &str = "lastEventId";

/// What is sent; `None`: two fields of `Authorization`, of which the origin might take another one
/// than we did.
pub(super) fn headers(request: &AccessRequest<'_>, cookies: &[String], secrets: &[String]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut fields = request.headers.get_all(AUTHORIZATION).iter();
    if let Some(field) = fields.next() {
        let mut field = field.clone();
        field.set_sensitive(true);
        headers.insert(AUTHORIZATION, field);
    }
    if fields.next().is_some() {
        return None;
    }
    let mut sent: Vec<String> = Vec::new();
    for name in cookies {
        match request.cookie(name) {
            One::Value(value) => sent.push(format!("{name}={value}")),
            One::None => {}
            One::Many => return None,
        }
    }
    if !sent.is_empty() {
        let mut field = HeaderValue::try_from(sent.join("; ")).ok()?;
        field.set_sensitive(true);
        headers.insert(COOKIE, field);
    }
    let unsent: Vec<&str> = secrets
        .iter()
        .map(String::as_str)
        .chain([LAST_EVENT_ID_PARAMETER])
        .collect();
    let uri = match query::without(request.query, &unsent) {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.to_string(),
    };
    headers.insert(FORWARDED_URI, HeaderValue::try_from(uri).ok()?);
    headers.insert(FORWARDED_METHOD, HeaderValue::try_from(request.method.as_str()).ok()?);
    Some(headers)
}

/// Whether the request shows any credentials of those that are sent.
pub(super) fn shows_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE)
}

/// All that is sent, as one digest.
pub(super) fn digest(keyed: &Keyed, headers: &HeaderMap) -> Digest {
    let value = |name: HeaderName| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let has = |name: HeaderName| if headers.contains_key(name) { b"1" } else { b"0" };
    keyed.digest(&[
        has(AUTHORIZATION),
        value(AUTHORIZATION),
        has(COOKIE),
        value(COOKIE),
        value(FORWARDED_URI),
        value(FORWARDED_METHOD),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn sent(request: hyper::http::request::Builder) -> Option<Vec<(String, String)>> {
        let request = request.body(()).expect("a request");
        let asked = AccessRequest::of(&request).expect("a path");
        let headers = headers(&asked, &["s".to_owned(), "t".to_owned()], &["token".to_owned()])?;
        let mut sent: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
            .collect();
        sent.sort();
        Some(sent)
    }

    fn of(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(
            pairs
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    #[test]
    fn only_what_is_named_is_sent() {
        let request = Request::get("/a%7Eb?x=%41&token=hunter2&lastEventId=7&%74oken=hunter2")
            .header("authorization", "Bearer x")
            .header("cookie", "other=1; s=2")
            .header("x-other", "y");
        let expected = [
            ("authorization", "Bearer x"),
            ("cookie", "s=2"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/a~b?x=%41"),
        ];
        assert_eq!(sent(request), of(&expected));
        let expected = [("x-forwarded-method", "HEAD"), ("x-forwarded-uri", "/")];
        assert_eq!(sent(Request::head("/?token=hunter2")), of(&expected));
    }

    #[test]
    fn what_two_could_read_differently_is_not_sent() {
        assert_eq!(sent(Request::get("/").header("cookie", "s=1; s=2")), None);
        let twice = Request::get("/")
            .header("authorization", "a")
            .header("authorization", "b");
        assert_eq!(sent(twice), None);
    }
}
