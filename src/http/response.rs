//! Responses of our own that are no event streams: refusals, preflights, heads, polls.

use super::stream_head::STREAM_HEADERS;
use super::{coding, cors, problem, request};
use crate::access::Answer;
use crate::channel::{Channel, Coding, HistoryPlace, retry_block};
use crate::config::{Refuse, Source};
use crate::metrics::RefuseReason;
use crate::path::BadParameter;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use hyper::{Request, StatusCode};
use std::time::Duration;

/// What hyper writes: a response of our own, or an origin's.
pub(crate) type Response = hyper::Response<Body>;
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;
/// Why an origin's body can't go on.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The methods of a source's path.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// A source's path answers streams and polls.
const ACCEPT: HeaderValue = HeaderValue::from_static("Accept");
/// For what is true at this moment only.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// When a client comes back for the next part of what it has missed: soon, and not all at one time.
const PART_RETRY: Duration = Duration::from_millis(200);
const PART_RETRY_JITTER: f64 = 0.5;
/// The longest time after which a request that found too many others is to be made again.
const BUSY_SECONDS_MAX: u64 = 5;

/// A refusal in the form that the client understands: one that heals must not stop a browser's
/// EventSource for ever, so it is a `200` that says when to come back, and ends.
pub(super) fn refusal<B>(request: &Request<B>, source: &Source, reason: RefuseReason) -> Response {
    let response = match heals(reason) {
        true => heals_later(request, source, detail(reason)),
        false => {
            let mut response = problem(status(reason), detail(reason));
            match reason {
                RefuseReason::Method => drop(response.headers_mut().insert(ALLOW, METHODS)),
                RefuseReason::NotAcceptable => drop(response.headers_mut().insert(VARY, ACCEPT)),
                _ => {}
            }
            response
        }
    };
    with_cors(response, request, source)
}

/// A refusal that heals.
fn heals_later<B>(request: &Request<B>, source: &Source, detail: &str) -> Response {
    if source.refuse == Refuse::Retry && request::names_stream(request.headers()) {
        return come_back(source);
    }
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    response
        .headers_mut()
        .insert(RETRY_AFTER, spread_seconds(source).into());
    response
}

/// A request that is not let in. What can't be decided now is a refusal that heals.
pub(super) fn denied<B>(request: &Request<B>, source: &Source, challenges: &[HeaderValue], answer: Answer) -> Response {
    let response = match answer {
        Answer::Undecided => heals_later(request, source, "who may read can't be decided at the moment"),
        Answer::Forbidden => problem(answer.status(), "these credentials are not enough for this stream"),
        Answer::Unauthorized => {
            let mut response = problem(answer.status(), "this stream needs valid credentials");
            for challenge in challenges {
                response.headers_mut().append(WWW_AUTHENTICATE, challenge.clone());
            }
            response
        }
    };
    let mut response = with_cors(response, request, source);
    // It differs by credentials, of which no cache knows.
    response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
    response
}

pub(super) fn not_found(path: &str) -> Response {
    problem(StatusCode::NOT_FOUND, &format!("no source serves {path}"))
}

/// A parameter of the path that is malformed.
pub(super) fn bad_parameter<B>(request: &Request<B>, source: &Source, bad: BadParameter) -> Response {
    let (status, detail) = match bad {
        BadParameter::Malformed => (
            StatusCode::BAD_REQUEST,
            "a parameter of the path is one percent-encoded segment, without control characters and separators",
        ),
        BadParameter::TooLong => (StatusCode::URI_TOO_LONG, "a parameter of the path is too long"),
    };
    with_cors(problem(status, detail), request, source)
}

/// A long poll's `wait` that is malformed.
pub(super) fn bad_wait<B>(request: &Request<B>, source: &Source) -> Response {
    let detail = "the query parameter wait is a number of seconds, as in wait=25";
    with_cors(problem(StatusCode::BAD_REQUEST, detail), request, source)
}

/// What a client asks for in a way that can't be understood.
pub(super) fn bad_query<B>(request: &Request<B>, source: &Source, detail: &str) -> Response {
    with_cors(problem(StatusCode::BAD_REQUEST, detail), request, source)
}

/// The origin's own refusal of a channel becomes its first clients'.
pub(super) fn origin_refused<B>(request: &Request<B>, source: &Source, status: StatusCode) -> Response {
    with_cors(problem(status, detail(RefuseReason::Origin)), request, source)
}

/// So that a script of another origin can read the answer.
fn with_cors<B>(mut response: Response, request: &Request<B>, source: &Source) -> Response {
    add(&mut response, cors::headers(source.cors.as_ref(), request.headers()));
    response
}

/// Adds fields: reasons to vary stand side by side.
fn add(response: &mut Response, fields: Vec<(HeaderName, HeaderValue)>) {
    let headers = response.headers_mut();
    fields.into_iter().for_each(|(name, value)| {
        headers.append(name, value);
    });
}

/// A request that can't be passed on at the moment.
pub(super) fn busy() -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, detail(RefuseReason::ProxiedRequests));
    // Spread, so that clients that came together don't come back together.
    let after = fastrand::u64(1..=BUSY_SECONDS_MAX);
    response.headers_mut().insert(RETRY_AFTER, after.into());
    response
}

/// HEAD on a source's path: the head that GET would have. It has no length, since that of GET is
/// not known.
pub(super) fn head<B>(request: &Request<B>, source: &Source) -> Response {
    if request::is_poll(request.headers()) {
        return document(Bytes::new(), request, source);
    }
    let mut response = Response::new(whole(Bytes::new()));
    response.headers_mut().extend(STREAM_HEADERS);
    add(
        &mut response,
        coding::fields(source, coding::of(request, source)).collect(),
    );
    with_cors(response, request, source)
}

/// The stream has ended for good: 204, on which an EventSource stops (9.2.3).
pub(super) fn ended<B>(request: &Request<B>, source: &Source) -> Response {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    with_cors(response, request, source)
}

/// What is new, for a client that asks for JSON.
pub(super) fn news<B>(request: &Request<B>, source: &Source, news: &serde_json::Value) -> Response {
    document(news.to_string().into(), request, source)
}

fn document<B>(body: Bytes, request: &Request<B>, source: &Source) -> Response {
    let mut response = Response::new(whole(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(VARY, ACCEPT);
    with_cors(response, request, source)
}

/// A method that is served at no path: `TRACE` would show others' secrets, `CONNECT` would lead
/// out.
pub(super) fn method_unknown() -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here");
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

/// `OPTIONS *`: what the server can do (RFC 9110, 9.3.7).
pub(super) fn options() -> Response {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

/// OPTIONS on a source's path.
pub(super) fn preflight<B>(request: &Request<B>, source: &Source) -> Response {
    let mut response = options();
    add(
        &mut response,
        cors::preflight_headers(source.cors.as_ref(), request.headers()),
    );
    response
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn come_back(source: &Source) -> Response {
    let retry = crate::delivery::jittered(source.reconnect, source.reconnect_jitter);
    let mut response = Response::new(whole(retry_block(retry).into()));
    response.headers_mut().extend(STREAM_HEADERS);
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A part of what a client has missed: its stream ends behind it, and it comes back for the rest.
pub(super) fn part<B>(request: &Request<B>, channel: &Channel, part: &HistoryPlace) -> Response {
    let retry = crate::delivery::jittered(PART_RETRY, PART_RETRY_JITTER);
    let events = part.bytes(false, Coding::Identity);
    let metrics = channel.metrics();
    metrics.deliveries.increment(part.entries().len() as u64);
    metrics.bytes_sent.increment(events.len() as u64);
    let blocks = [Bytes::from(retry_block(retry)), events].map(|bytes| Ok(Frame::data(bytes)));
    let mut response = Response::new(StreamBody::new(tokio_stream::iter(blocks)).boxed_unsync());
    response.headers_mut().extend(STREAM_HEADERS);
    with_cors(response, request, &channel.settings().load())
}

/// An error.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    problem::response(status, detail).map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

/// Whole seconds, at least one: a zero would be taken to the letter.
fn spread_seconds(source: &Source) -> u64 {
    let time = crate::delivery::jittered(source.reconnect, source.reconnect_jitter);
    (time.as_secs_f64().ceil() as u64).max(1)
}

fn heals(reason: RefuseReason) -> bool {
    use RefuseReason::{
        Channels, Clients, ClientsPerIp, ClientsPerUser, Descriptors, Draining, Filters, Handshakes, Log,
        ProxiedRequests, Rate,
    };
    matches!(
        reason,
        Clients
            | ClientsPerIp
            | ClientsPerUser
            | Rate
            | Descriptors
            | ProxiedRequests
            | Handshakes
            | Draining
            | Channels
            | Filters
            | Log
    )
}

fn status(reason: RefuseReason) -> StatusCode {
    match reason {
        RefuseReason::NotFound => StatusCode::NOT_FOUND,
        RefuseReason::Method => StatusCode::METHOD_NOT_ALLOWED,
        RefuseReason::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        RefuseReason::HeaderTimeout => StatusCode::REQUEST_TIMEOUT,
        RefuseReason::BadRequest => StatusCode::BAD_REQUEST,
        RefuseReason::Origin => StatusCode::BAD_GATEWAY,
        RefuseReason::Clients
        | RefuseReason::ClientsPerIp
        | RefuseReason::ClientsPerUser
        | RefuseReason::Rate
        | RefuseReason::Descriptors
        | RefuseReason::ProxiedRequests
        | RefuseReason::Handshakes
        | RefuseReason::Draining
        | RefuseReason::Channels
        | RefuseReason::Filters
        | RefuseReason::Log => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn detail(reason: RefuseReason) -> &'static str {
    match reason {
        RefuseReason::Clients => "the relay is full",
        RefuseReason::ClientsPerIp => "too many streams from this address",
        RefuseReason::ClientsPerUser => "too many streams of this user",
        RefuseReason::Rate => "too many new streams at the moment",
        RefuseReason::Descriptors => "the relay has no descriptor left",
        RefuseReason::ProxiedRequests => "the relay passes too many requests at the moment",
        RefuseReason::Handshakes => "too many handshakes are under way",
        RefuseReason::Draining => "the relay is leaving",
        RefuseReason::Channels => "too many channels are open",
        RefuseReason::Filters => "too many different filters are in use",
        RefuseReason::Log => "the stream's log is not within reach yet",
        RefuseReason::NotFound => "no source serves this path",
        RefuseReason::Method => "an event stream is read with GET",
        RefuseReason::NotAcceptable => "this path serves text/event-stream",
        RefuseReason::BadRequest => "the request can't be read",
        RefuseReason::HeaderTimeout => "the request did not come in time",
        RefuseReason::Origin => "the origin refused",
    }
}
