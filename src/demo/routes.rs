//! Which path of the demo's origin answers what.

use super::changelog::Page;
use super::site::Site;
use super::stream::{Changes, Entries};
use super::{CROWD_PATH, SECTIONS, STREAM_PATH, feed, stream};
use crate::auxiliary_http::response::{self, Response, TEXT};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// Largest body of a post; a title is much shorter.
const BODY_BYTES_MAX: usize = 4096;

/// From the request's head to the end of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const ATOM: HeaderValue = HeaderValue::from_static("application/atom+xml; charset=utf-8");

/// Seconds after which a client without a place may try again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

enum Route {
    Stream,
    Crowd,
    Section(u32, Page),
}

fn route(path: &str) -> Option<Route> {
    match path {
        STREAM_PATH => return Some(Route::Stream),
        CROWD_PATH => return Some(Route::Crowd),
        _ => {}
    }
    let mut parts = path.strip_prefix("/changelog/section/")?.split('/');
    let section = parts
        .next()?
        .parse()
        .ok()
        .filter(|section| SECTIONS.contains(section))?;
    let page = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Page::Newest,
        (Some("after"), Some(number), None) => Page::After(number.parse().ok()?),
        (Some("before"), Some(number), None) => Page::Before(number.parse().ok()?),
        _ => return None,
    };
    Some(Route::Section(section, page))
}

/// Answers who asks at the page's address: with everything, as long as the origin is alive.
pub(super) async fn answer(site: &Site, request: Request<Incoming>) -> Response {
    let Some(route) = route(request.uri().path()) else {
        return unknown();
    };
    if !site.lives() {
        return response::problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "the origin is dead: the page brings it back",
        );
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match route {
        Route::Section(section, Page::Newest) if request.method() == Method::POST => {
            publish(site, section, request.into_body()).await
        }
        Route::Section(_, Page::Newest) if !reads => response::method_not_allowed("GET, HEAD, POST"),
        _ if !reads => response::method_not_allowed("GET, HEAD"),
        Route::Stream => open(site, &request, changes(site, base(site, &request))),
        Route::Crowd => open(site, &request, site.pulse.clone()),
        Route::Section(section, page) => {
            let base = base(site, &request);
            let shown = site.changelog.page(section, page);
            let xml = feed::atom(
                &feed::Place {
                    base: &base,
                    section,
                    page,
                },
                &shown,
                site.started,
            );
            response::whole(StatusCode::OK, ATOM, xml)
        }
    }
}

/// Answers the relay: with the streams. What it passes on leads to the page's address.
pub(super) fn answer_relay(site: &Site, request: Request<Incoming>) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return response::method_not_allowed("GET, HEAD");
    }
    match route(request.uri().path()) {
        Some(Route::Stream) => open(site, &request, changes(site, format!("http://{}", site.addr))),
        Some(Route::Crowd) => open(site, &request, site.pulse.clone()),
        _ => unknown(),
    }
}

fn unknown() -> Response {
    let detail = format!("here are /, {STREAM_PATH}, {CROWD_PATH} and /changelog/section/ with one of {SECTIONS:?}");
    response::problem(StatusCode::NOT_FOUND, &detail)
}

fn changes(site: &Site, base: String) -> Arc<Changes> {
    let changelog = Arc::clone(&site.changelog);
    Arc::new(Changes { changelog, base })
}

/// `http://HOST`, by which the client knows this origin: behind a relay, the public one.
fn base(site: &Site, request: &Request<Incoming>) -> String {
    let named = request
        .headers()
        .get(HOST)
        .and_then(|host| Authority::try_from(host.as_bytes()).ok());
    match named.filter(|authority| !authority.as_str().contains('@')) {
        Some(authority) => format!("http://{authority}"),
        None => format!("http://{}", site.addr),
    }
}

fn open(site: &Site, request: &Request<Incoming>, entries: Arc<impl Entries>) -> Response {
    if request.method() == Method::HEAD {
        return stream::head(Empty::new().map_err(|never| match never {}).boxed_unsync());
    }
    let Ok(place) = Arc::clone(&site.streams).try_acquire_owned() else {
        let mut response = response::problem(StatusCode::SERVICE_UNAVAILABLE, "every place for a stream is taken");
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        return response;
    };
    let last_event_id = request
        .headers()
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    stream::open(entries, last_event_id, site.life.subscribe(), place)
}

async fn publish(site: &Site, section: u32, body: Incoming) -> Response {
    let body = match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return response::problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("a title has at most {BODY_BYTES_MAX} bytes"),
            );
        }
        Ok(Err(_)) => return response::problem(StatusCode::BAD_REQUEST, "the body ended early"),
        Err(_) => return response::problem(StatusCode::REQUEST_TIMEOUT, "the body did not come"),
    };
    let entry = site.changelog.publish(section, &String::from_utf8_lossy(&body));
    let said = format!("published {} in section {section}: {}\n", entry.number, entry.title);
    let mut response = response::whole(StatusCode::CREATED, TEXT, said);
    let feed = format!("/changelog/section/{section}");
    response.headers_mut().insert(
        LOCATION,
        HeaderValue::try_from(feed).expect("a path of digits is a header value"),
    );
    response
}
