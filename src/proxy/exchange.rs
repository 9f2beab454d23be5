//! One request that goes to an origin, and its answer.

use super::body::Body;
use super::client::Origins;
use super::failure::Failure;
use super::forwarded::Peer;
use super::forwarded::Public;
use super::origin::Origin;
use super::request::{self, Outgoing};
use super::request_body::{RequestBody, RequestBodyState};
use super::response::{self, Exchanged};
use super::response_body::ResponseBody;
use super::rewrite::{self, Rewriter, View};
use crate::config::Network;
use crate::upstream::Url;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};
use hyper::http::request::Parts as RequestParts;
use hyper::{Method, Request, Response, StatusCode, Version};
use std::sync::Arc;

/// What the exchanges with all origins share.
pub(super) struct Exchange {
    pub(super) client: Origins,
    pub(super) rewriter: Rewriter,
    pub(super) public_url: Option<Url>,
    pub(super) trusted_proxies: Vec<Network>,
}

/// What of a request its answer depends on.
struct Asked<'a> {
    origin: &'a Origin,
    method: Method,
    /// What the answer's URLs are resolved against; `None`: they are not rewritten.
    view: Option<View<'a>>,
    /// The validators of what the client has.
    known: Vec<HeaderValue>,
}

impl Exchange {
    /// Sends a request to an origin, and makes the client's answer of what comes back.
    pub(super) async fn with(
        &self,
        origin: &Origin,
        request: Request<Body>,
        peer: Peer,
        body_state: Arc<RequestBodyState>,
    ) -> Result<Exchanged, Failure> {
        let (parts, body) = request.into_parts();
        let outgoing = request::outgoing(parts, origin, peer, &self.trusted_proxies)?;
        let asked = Asked {
            origin,
            method: outgoing.parts.method.clone(),
            view: self.view(origin, &outgoing.parts, &outgoing.public),
            known: outgoing.parts.headers.get_all(IF_NONE_MATCH).iter().cloned().collect(),
        };
        let upgrades = outgoing.upgrades;
        let response = self.ask(origin, outgoing, body, &body_state).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response::switched(response, upgrades, body_state);
        }
        self.answer(asked, response, body_state).await
    }

    /// The origin's answer. One that was sent for a part of a feed is asked for again as a whole.
    async fn ask(
        &self,
        origin: &Origin,
        outgoing: Outgoing,
        body: Body,
        body_state: &Arc<RequestBodyState>,
    ) -> Result<Response<Incoming>, Failure> {
        let has_body = !body.is_end_stream();
        if outgoing.expects && has_body {
            body_state.expects();
        }
        // What may be asked again is kept.
        let again = (!has_body && !outgoing.upgrades).then(|| outgoing.parts.clone());
        let mut request = Request::from_parts(outgoing.parts, RequestBody::new(Some(body), body_state.clone()));
        if has_body {
            let body_state = body_state.clone();
            hyper::ext::on_informational(&mut request, move |response| {
                if response.status() == StatusCode::CONTINUE {
                    body_state.wanted();
                }
            });
        }
        let response = self.client.ask(request, body_state, again.as_ref()).await?;
        let Some(mut again) = again.filter(|again| is_part_of_a_feed(origin, again, &response)) else {
            return Ok(response);
        };
        // A part of a document can't be rewritten, and must not be mixed with a rewritten one: all
        // of it.
        again.headers.remove(RANGE);
        again.headers.remove(IF_RANGE);
        let request = Request::from_parts(again.clone(), RequestBody::new(None, body_state.clone()));
        self.client.ask(request, body_state, Some(&again)).await
    }

    /// The client's answer, with the URLs in it rewritten where the origin's entry says so.
    async fn answer(
        &self,
        asked: Asked<'_>,
        response: Response<Incoming>,
        body_state: Arc<RequestBodyState>,
    ) -> Result<Exchanged, Failure> {
        let Asked {
            origin,
            method,
            view,
            known,
        } = asked;
        let (mut parts, incoming) = response.into_parts();
        let closes = parts.version == Version::HTTP_10;
        let said = response::to_client(&mut parts, &method, &incoming)?;
        body_state.answered(said.close || closes);
        if origin.rewrite_links && parts.status == StatusCode::NOT_MODIFIED {
            rewrite::unchanged(&mut parts.headers, &known);
        }
        let may_hold_links = origin.rewrite_links && rewrite::may_hold_links(&parts);
        if let Some(view) = &view {
            let named = &origin.rewrite_headers;
            self.rewriter.headers(&mut parts.headers, named, view);
        }
        let body = match view {
            Some(view) if may_hold_links && parts.status != StatusCode::PARTIAL_CONTENT => {
                let asked = (&method, origin);
                self.rewriter
                    .body(&mut parts, incoming, asked, view, body_state)
                    .await?
            }
            _ => ResponseBody::new(incoming, body_state).boxed(),
        };
        Ok(Exchanged {
            response: Response::from_parts(parts, body),
            tunnel: None,
        })
    }

    /// What the answer's URLs are resolved against; `None`: neither the client nor the
    /// configuration says under which name the relay is reached.
    fn view<'a>(&self, origin: &'a Origin, request: &RequestParts, public: &Public) -> Option<View<'a>> {
        if !origin.rewrites() {
            return None;
        }
        let scheme = if public.tls { "https" } else { "http" };
        let asked = match (&public.host, &self.public_url) {
            (Some(host), _) => Url::parse(&format!("{scheme}://{host}")).ok()?,
            (None, Some(url)) => url.clone(),
            (None, None) => return None,
        };
        let target = request.uri.path_and_query()?.as_str();
        Some(View {
            request: Url::parse(&format!("{}{target}", asked.origin())).ok()?,
            public: self.public_url.clone().unwrap_or(asked),
            to: &origin.to,
        })
    }
}

/// Whether an answer is a part of a document whose links are to be rewritten.
fn is_part_of_a_feed(origin: &Origin, asked: &RequestParts, response: &Response<Incoming>) -> bool {
    response.status() == StatusCode::PARTIAL_CONTENT
        && origin.rewrite_links
        && asked.method == Method::GET
        && rewrite::is_xml(response.headers())
}
