//! A GET that follows redirects, each hop on a connection of its own, all of them within one
//! deadline.

use super::connect::connect;
use super::exchange::{Answer, exchange};
use super::request::{ConfiguredOrigin, Wanted};
use super::url::Url;
use super::{Failure, Reason};
use crate::redaction::redact;
use hyper::StatusCode;
use hyper::header::LOCATION;
use hyper::http::response::Parts;
use tokio::time::Instant;

/// Redirects followed in one attempt.
const REDIRECTS_MAX: usize = 5;

/// Asks at `start`, and wherever that leads. `moved` is told each URL that a redirect leads to.
pub(super) async fn get(
    configured: &ConfiguredOrigin<'_>,
    start: Url,
    wanted: Wanted<'_>,
    deadline: Instant,
    moved: impl Fn(&Url),
) -> Result<(Url, Answer), Failure> {
    let mut url = start;
    for _ in 0..=REDIRECTS_MAX {
        let io = connect(configured, &url, deadline).await?;
        let answer = exchange(
            io,
            configured.request(&url, wanted),
            configured.config().http2,
            deadline,
        )
        .await?;
        if !is_redirect(answer.head.status) {
            return Ok((url, answer));
        }
        url = next(configured, &url, &answer.head)?;
        moved(&url);
    }
    Err(Failure::new(
        Reason::Redirect,
        format!("more than {REDIRECTS_MAX} redirects"),
    ))
}

/// Those that a GET follows (RFC 9110, 15.4); 300 and 304 are no answer to ours.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads, by its head.
pub(super) fn next(configured: &ConfiguredOrigin<'_>, url: &Url, head: &Parts) -> Result<Url, Failure> {
    let status = head.status.as_u16();
    let nowhere = |why: String| Failure {
        status: Some(status),
        ..Failure::new(Reason::Redirect, why)
    };
    let Some(location) = head.headers.get(LOCATION) else {
        return Err(nowhere("a redirect without a location".to_owned()));
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    match url.join(&location) {
        Ok(next) => Ok(configured.locate(next)),
        Err(why) => Err(nowhere(format!("a redirect to {:?}: {why}", redact(&location)))),
    }
}
