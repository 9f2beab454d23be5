//! The answer as the client gets it: what concerns the origin's connection is left out, and each
//! side speaks its own version.

use super::body::Body;
use super::failure::Failure;
use super::hop_by_hop;
use super::request_body::RequestBodyState;
use super::response_body::ResponseBody;
use hyper::body::{Body as _, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, UPGRADE};
use hyper::http::response::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Response, StatusCode, Version};
use std::sync::Arc;

/// What an origin has answered.
pub(super) struct Exchanged {
    pub(super) response: Response<Body>,
    /// With a `101`: its side of the connection.
    pub(super) tunnel: Option<OnUpgrade>,
}

/// The head of an answer as the client gets it.
pub(super) fn to_client(parts: &mut Parts, method: &Method, body: &Incoming) -> Result<hop_by_hop::Said, Failure> {
    let said = hop_by_hop::remove(&mut parts.headers);
    if said.coded {
        return Err(Failure::Origin(
            "an answer in a transfer coding that was not asked for".to_owned(),
        ));
    }
    let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless || said.chunked {
        parts.headers.remove(CONTENT_LENGTH);
    } else if method != Method::HEAD
        && parts.headers.contains_key(CONTENT_LENGTH)
        && let Some(length) = body.size_hint().exact()
    {
        // The origin may have said it several times, and in other forms.
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    // Each side of us speaks its own version. The rest of what hyper notes is about the origin's
    // connection.
    parts.version = Version::HTTP_11;
    let reason = parts.extensions.remove::<ReasonPhrase>();
    parts.extensions.clear();
    if let Some(reason) = reason {
        parts.extensions.insert(reason);
    }
    Ok(said)
}

/// The origin has changed the protocol.
pub(super) fn switched(
    mut response: Response<Incoming>,
    asked: bool,
    body_state: Arc<RequestBodyState>,
) -> Result<Exchanged, Failure> {
    if !asked {
        return Err(Failure::Origin(
            "a change of protocol that was not asked for".to_owned(),
        ));
    }
    let origin = hyper::upgrade::on(&mut response);
    let (mut parts, incoming) = response.into_parts();
    let protocol = parts.headers.get(UPGRADE).cloned();
    hop_by_hop::remove(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        parts.headers.insert(UPGRADE, protocol);
    }
    parts.extensions.clear();
    Ok(Exchanged {
        response: Response::from_parts(parts, ResponseBody::new(incoming, body_state).boxed()),
        tunnel: Some(origin),
    })
}
