//! Small answers of an origin that are no event streams: a document as a whole, or a status.

use super::answer::{plain, refusal};
use super::connect::{connect, within};
use super::exchange::exchange;
use super::redirect;
use super::request::{ConfiguredOrigin, Wanted};
use super::url::Url;
use super::{Failure, Reason};
use crate::config::{self, Target};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::header::HeaderMap;
use std::pin::pin;
use tokio::time::Instant;

/// A document that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document {
    /// Its types: the `Accept` field.
    pub(crate) accept: &'static str,
    /// How large it may be.
    pub(crate) bytes_max: usize,
}

/// The whole of a document, redirects followed. One that was asked for over TLS comes over TLS.
pub(crate) async fn fetch(
    upstream: &config::Upstream,
    document: Document,
    deadline: Instant,
) -> Result<Vec<u8>, Failure> {
    let configured = ConfiguredOrigin::new(upstream, target(upstream)?);
    let start = configured.url().clone();
    let wanted = Wanted::Document(document.accept);
    let (url, got) = redirect::get(&configured, start, wanted, deadline, |_| {}).await?;
    if configured.url().is_tls() && !url.is_tls() {
        return Err(Failure::new(Reason::Redirect, "a redirect away from TLS"));
    }
    if got.head.status != StatusCode::OK {
        return Err(refusal(&got.head).failure);
    }
    plain(&got.head.headers).map_err(|why| Failure::new(Reason::ContentEncoding, why))?;
    let body = within(
        deadline,
        "the document was not read",
        collect(got.body, document.bytes_max),
    )
    .await?;
    let too_large = || Failure::new(Reason::Protocol, format!("larger than {} bytes", document.bytes_max));
    body.ok_or_else(too_large)
}

/// The head of the answer to one GET with these headers besides the usual ones. Redirects are not
/// followed, and the body is not read.
pub(crate) async fn ask(
    upstream: &config::Upstream,
    headers: HeaderMap,
    deadline: Instant,
) -> Result<(StatusCode, HeaderMap), Failure> {
    let configured = ConfiguredOrigin::new(upstream, target(upstream)?);
    let url = configured.url().clone();
    let io = connect(&configured, &url, deadline).await?;
    let mut request = configured.request(&url, Wanted::Document("*/*"));
    request.headers_mut().extend(headers);
    let answer = exchange(io, request, upstream.http2, deadline).await?;
    Ok((answer.head.status, answer.head.headers))
}

fn target(upstream: &config::Upstream) -> Result<Url, Failure> {
    let text = match &upstream.target {
        Target::Urls(urls) => urls.first().map_or("", String::as_str),
        Target::Feed(url) => url,
    };
    Url::parse(text).map_err(|why| Failure::new(Reason::Protocol, why.to_string()))
}

/// All of a body; `None`: it has more than `bytes_max`.
pub(super) async fn collect(
    body: impl Body<Data = Bytes, Error = Failure>,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut body = pin!(body);
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if all.len() + data.len() > bytes_max {
                return Ok(None);
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(Some(all))
}
