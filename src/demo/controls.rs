//! The page, and what its buttons do.
//!
//! Buttons send a field that a page of another site can't send without asking first (CORS): no other
//! site can fill this machine with clients.

use super::stage::Stage;
use super::{STREAM_PATH, feed, routes};
use crate::auxiliary_http::response::{self, HTML, JSON, Response};
use crate::crowd::Order;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use std::io;
use std::sync::Arc;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const CROWD_SCRIPT: &str = include_str!("crowd.js");

/// Where the page takes the stream's address from, and its parts.
const PAGE_STREAM: &str = "{{stream}}";
const PAGE_STYLE: &str = "{{style}}";
const PAGE_SCRIPT: &str = "{{script}}";

/// The field that buttons send, whatever its value.
const BUTTON: &str = "fanfare-demo";

/// Where the page looks, and where its buttons lead.
const STATUS_PATH: &str = "/demo/status";
const ACTIONS_PATH: &str = "/demo/";

/// For how long clients may leave, in seconds: an order that comes back within a demonstration.
const LEAVE_SECONDS_MAX: u64 = 60;

/// What a button asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Have(usize),
    Stall(usize),
    /// A tenth of the crowd leaves for so many seconds.
    Leave(u64),
    Kill,
    Revive,
}

impl Action {
    /// `crowd/1000`, `slow/1`, `leave/3`, `kill`, `revive`.
    fn of(path: &str) -> Option<Self> {
        let (name, number) = path.split_once('/').unwrap_or((path, ""));
        Some(match (name, number) {
            ("crowd", number) => Self::Have(number.parse().ok()?),
            ("slow", number) => Self::Stall(number.parse().ok()?),
            ("leave", number) => Self::Leave(number.parse::<u64>().ok()?.min(LEAVE_SECONDS_MAX)),
            ("kill", "") => Self::Kill,
            ("revive", "") => Self::Revive,
            _ => return None,
        })
    }

    fn done(self, stage: &Stage) -> io::Result<()> {
        let crowd = || stage.crowd().ok_or(io::ErrorKind::NotConnected);
        match self {
            Self::Have(clients) => stage.have(crowd()?, clients),
            Self::Stall(clients) => crowd()?.order(Order::Stall { clients }),
            Self::Leave(seconds) => {
                let crowd = crowd()?;
                let clients = crowd.seen().wanted.div_ceil(10);
                let for_ms = seconds * 1000;
                crowd.order(Order::Leave { clients, for_ms })
            }
            Self::Kill => {
                stage.line.kill();
                Ok(())
            }
            Self::Revive => stage.line.revive(),
        }
    }
}

/// Answers whatever comes to the page's address: the page, its buttons, and the origin's paths.
pub(super) async fn answer(stage: &Arc<Stage>, request: Request<Incoming>) -> Response {
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/" | STATUS_PATH if !reads => return response::method_not_allowed("GET, HEAD"),
        "/" => return page(stage),
        STATUS_PATH => return response::whole(StatusCode::OK, JSON, stage.status().to_string()),
        _ => {}
    }
    match path.strip_prefix(ACTIONS_PATH).map(Action::of) {
        None => routes::answer(&stage.site, request).await,
        Some(None) => response::problem(StatusCode::NOT_FOUND, "there is no such button"),
        Some(Some(_)) if request.method() != Method::POST => response::method_not_allowed("POST"),
        Some(Some(_)) if !request.headers().contains_key(BUTTON) => {
            let detail = format!("buttons send a field `{BUTTON}: 1`, so that no other site can press them");
            response::problem(StatusCode::FORBIDDEN, &detail)
        }
        Some(Some(action)) => act(stage, action).await,
    }
}

async fn act(stage: &Arc<Stage>, action: Action) -> Response {
    let of_it = Arc::clone(stage);
    // A process is begun, a thread awaited: not here, where connections wait.
    let done = tokio::task::spawn_blocking(move || action.done(&of_it)).await;
    match done.map_err(io::Error::other).flatten() {
        Ok(()) => response::whole(StatusCode::OK, JSON, stage.status().to_string()),
        Err(error) => response::problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn page(stage: &Stage) -> Response {
    let stream = stage.relayed_stream.get().map_or(STREAM_PATH, String::as_str);
    let script = format!("{SCRIPT}{CROWD_SCRIPT}");
    let html = PAGE
        .replace(PAGE_STYLE, STYLE)
        .replace(PAGE_SCRIPT, &script)
        .replace(PAGE_STREAM, &feed::escaped(stream));
    response::whole(StatusCode::OK, HTML, html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_have_names_and_numbers() {
        assert_eq!(Action::of("crowd/1000"), Some(Action::Have(1000)));
        assert_eq!(Action::of("slow/1"), Some(Action::Stall(1)));
        assert_eq!(Action::of("leave/3"), Some(Action::Leave(3)));
        assert_eq!(Action::of("leave/999999"), Some(Action::Leave(LEAVE_SECONDS_MAX)));
        assert_eq!(Action::of("kill"), Some(Action::Kill));
        for wrong in [
            "",
            "crowd",
            "crowd/",
            "crowd/-1",
            "crowd/1/2",
            "kill/1",
            "revive/x",
            "burn",
        ] {
            assert_eq!(Action::of(wrong), None, "{wrong}");
        }
    }
}
