//! Standing in front of a whole origin: what no source serves goes to it, and what it answers goes back.
//!
//! Requests and answers are streamed both ways, bodies of any size and trailers too. What concerns one connection stays with it, for whom
//! we ask is said, URLs of event streams are made to lead to the relay, and everything else stays as it is. An origin's `101` makes a
//! tunnel of the connection.
//!
//! The first entry whose prefix a path begins with takes it, in the order of the file; a source's path is never looked for here.
//!
//! Not passed on, since hyper has no way to: `1xx` answers other than 100 and 101, trailers that no `Trailer` header announces, the case of
//! headers' names.

mod response_body;
mod client;
mod drain;
mod event_stream;
mod failure;
mod request_body;
mod forwarded;
mod hop_by_hop;
mod in_flight;
mod request;
mod response;
mod rewrite;
mod log_throttle;
mod upgrade;

pub(crate) use failure::Failure;
pub(crate) use in_flight::is_event_stream;
pub(crate) use rewrite::Links;
pub(crate) use upgrade::Tunnel;

use crate::config::{Config, Network};
use crate::metrics::ProxyMetrics;
use crate::quotas::Quotas;
use crate::upstream::Url;
use bytes::Bytes;
use client::Origins;
use drain::Drain;
use forwarded::Public;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};
use hyper::http::request::Parts as RequestParts;
use hyper::http::uri::{Authority, Scheme};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Version};
use in_flight::InFlight;
use log_throttle::LogThrottle;
use request_body::{RequestBody, RequestBodyState};
use response_body::ResponseBody;
use rewrite::{Rewriter, View};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A body on its way to the client.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;
/// Why it can't go on.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Everything that is proxied.
pub(crate) struct Proxy {
    origins: Vec<Origin>,
    client: Origins,
    rewriter: Rewriter,
    public_url: Option<Url>,
    trusted_proxies: Vec<Network>,
    metrics: Arc<ProxyMetrics>,
    drain: Drain,
}

/// An entry of the configuration.
pub(crate) struct Origin {
    prefix: String,
    to: Url,
    scheme: Scheme,
    authority: Authority,
    rewrite_links: bool,
    rewrite_headers: Vec<HeaderName>,
    body_bytes_max: usize,
    /// Requests that may be with it at one time.
    places: Arc<Semaphore>,
    failed: LogThrottle,
    streams: LogThrottle,
}

/// What an origin has answered.
struct Exchanged {
    response: Response<Body>,
    /// With a `101`: its side of the connection.
    tunnel: Option<OnUpgrade>,
}

/// An answer for the client.
pub(crate) struct Proxied {
    pub(crate) response: Response<Body>,
    /// With a `101`: what follows it.
    pub(crate) tunnel: Option<Tunnel>,
}

/// Tells whether a part of the request's body was not read.
pub(crate) struct Unread(Arc<RequestBodyState>);

impl Unread {
    /// Whether there is still some.
    pub(crate) fn any(&self) -> bool {
        !self.0.has_ended()
    }
}

impl Proxy {
    /// What the configuration passes; `None`: nothing.
    pub(crate) fn new(
        config: &Config,
        links: Links,
        metrics: Arc<ProxyMetrics>,
        quotas: Arc<Quotas>,
    ) -> Option<Arc<Self>> {
        let origins: Vec<Origin> = config.pass.iter().filter_map(Origin::new).collect();
        let public_url = config
            .public_url
            .as_ref()
            .and_then(|url| Url::parse(&url.to_string()).ok());
        (!origins.is_empty()).then(|| {
            Arc::new(Self {
                origins,
                client: Origins::new(),
                rewriter: Rewriter::new(links),
                public_url,
                trusted_proxies: config.trusted_proxies.clone(),
                metrics,
                drain: Drain::new(quotas),
            })
        })
    }

    /// The place of the entry that takes this path, which is in its normal form.
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        self.origins.iter().position(|origin| path.starts_with(&origin.prefix))
    }

    /// Sends a request to the entry at this place, and its answer back.
    pub(crate) async fn send(
        &self,
        at: usize,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> (Result<Proxied, Failure>, Unread) {
        let origin = &self.origins[at];
        let body_state = RequestBodyState::new(request.body().is_end_stream());
        let proxied = self.tracked(origin, request, peer, body_state.clone()).await;
        if let Err(Failure::Origin(error) | Failure::OriginTimeout(error)) = &proxied {
            let to = origin.to.redacted();
            if origin.failed.is_due() {
                tracing::warn!(to, error, "a proxied request failed");
            } else {
                tracing::debug!(to, error, "a proxied request failed");
            }
        }
        (proxied, Unread(body_state))
    }

    /// An exchange that holds a place of the entry's until its response has ended.
    async fn tracked(
        &self,
        origin: &Origin,
        request: Request<Incoming>,
        peer: IpAddr,
        body_state: Arc<RequestBodyState>,
    ) -> Result<Proxied, Failure> {
        // RFC 9110, 9.3.8: it would give the client what was meant for the origin.
        if request.method() == Method::TRACE {
            return Err(Failure::Method);
        }
        let mut in_flight = InFlight::enter(origin, &self.metrics)?;
        let path = request.uri().path().to_owned();
        let Exchanged { response, tunnel } = match self.exchange(origin, request, peer, body_state).await {
            Ok(exchanged) => exchanged,
            Err(failure) => {
                in_flight.answered(failure.answer().0);
                return Err(failure);
            }
        };
        in_flight.answered(response.status());
        let Some(tunnel) = tunnel else {
            if in_flight::is_event_stream(response.headers()) && origin.streams.is_due() {
                let to = origin.to.redacted();
                tracing::warn!(
                    to,
                    path,
                    "an event stream is proxied: a source would need one connection for all its clients"
                );
            }
            return Ok(Proxied {
                response: in_flight::tracked(response, in_flight, &self.drain),
                tunnel: None,
            });
        };
        in_flight.is_endless();
        Ok(Proxied {
            response,
            tunnel: Some(Tunnel {
                origin: tunnel,
                in_flight,
                drain: self.drain.clone(),
            }),
        })
    }

    async fn exchange(
        &self,
        origin: &Origin,
        request: Request<Incoming>,
        peer: IpAddr,
        body_state: Arc<RequestBodyState>,
    ) -> Result<Exchanged, Failure> {
        let (parts, body) = request.into_parts();
        let outgoing = request::outgoing(parts, origin, peer, &self.trusted_proxies)?;
        let has_body = !body.is_end_stream();
        if outgoing.expects && has_body {
            body_state.expects();
        }
        let view = self.view(origin, &outgoing.parts, &outgoing.public);
        let method = outgoing.parts.method.clone();
        let upgrades = outgoing.upgrades;
        let known: Vec<HeaderValue> = outgoing.parts.headers.get_all(IF_NONE_MATCH).iter().cloned().collect();
        // What may be asked again is kept.
        let again = (!has_body && !upgrades).then(|| outgoing.parts.clone());
        let mut request = Request::from_parts(outgoing.parts, RequestBody::new(Some(body), body_state.clone()));
        if has_body {
            let body_state = body_state.clone();
            hyper::ext::on_informational(&mut request, move |response| {
                if response.status() == StatusCode::CONTINUE {
                    body_state.wanted();
                }
            });
        }
        let mut response = self.client.ask(request, &body_state, again.as_ref()).await?;
        if let Some(mut again) = again.filter(|again| is_part_of_a_feed(origin, again, &response)) {
            // A part of a document can't be rewritten, and must not be mixed with a rewritten one: all of it.
            again.headers.remove(RANGE);
            again.headers.remove(IF_RANGE);
            let request = Request::from_parts(again.clone(), RequestBody::new(None, body_state.clone()));
            response = self.client.ask(request, &body_state, Some(&again)).await?;
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response::switched(response, upgrades, body_state);
        }
        let (mut parts, incoming) = response.into_parts();
        let closes = parts.version == Version::HTTP_10;
        let said = response::to_client(&mut parts, &method, &incoming)?;
        body_state.answered(said.close || closes);
        if origin.rewrite_links && parts.status == StatusCode::NOT_MODIFIED {
            rewrite::unchanged(&mut parts.headers, &known);
        }
        let rewrites = origin.rewrite_links && rewrite::may_hold_links(&parts);
        let body = match view {
            Some(view) => {
                self.rewriter
                    .headers(&mut parts.headers, &origin.rewrite_headers, &view);
                match rewrites && parts.status != StatusCode::PARTIAL_CONTENT {
                    true => {
                        self.rewriter
                            .body(&mut parts, incoming, (&method, origin), view, body_state)
                            .await?
                    }
                    false => ResponseBody::new(incoming, body_state).boxed(),
                }
            }
            None => ResponseBody::new(incoming, body_state).boxed(),
        };
        Ok(Exchanged {
            response: Response::from_parts(parts, body),
            tunnel: None,
        })
    }

    /// From where the answer's URLs are looked at; `None`: neither the client nor the configuration says who we are.
    fn view<'a>(&self, origin: &'a Origin, request: &RequestParts, public: &Public) -> Option<View<'a>> {
        if !origin.rewrite_links && origin.rewrite_headers.is_empty() {
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

impl Origin {
    fn new(pass: &crate::config::Pass) -> Option<Self> {
        // Checked when the configuration was read.
        let to = Url::parse(&pass.to).ok()?;
        Some(Self {
            prefix: pass.prefix.clone(),
            scheme: if to.is_tls() { Scheme::HTTPS } else { Scheme::HTTP },
            authority: to.host_field().parse().ok()?,
            rewrite_links: pass.rewrite_links,
            rewrite_headers: pass.rewrite_headers.clone(),
            body_bytes_max: pass.body_bytes_max,
            places: Arc::new(Semaphore::new(pass.connections_max.min(Semaphore::MAX_PERMITS))),
            streams: LogThrottle::default(),
            failed: LogThrottle::default(),
            to,
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
