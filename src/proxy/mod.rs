//! Standing in front of a whole origin: what no source serves goes to it, and what it answers goes
//! back.
//!
//! Requests and answers are streamed both ways, bodies of any size and trailers too. Headers that
//! concern one connection stay with it, the client's address is added, URLs of event streams are
//! made to lead to the relay, and everything else stays as it is. An origin's `101` makes a tunnel
//! of the connection.
//!
//! The first entry whose prefix a path begins with takes it, in the order of the file; a source's
//! path is never looked for here.
//!
//! Not passed on, since hyper has no way to: `1xx` answers other than 100 and 101, trailers that no
//! `Trailer` header announces, the case of headers' names.

mod body;
mod client;
mod drain;
mod event_stream;
mod exchange;
mod failure;
mod forwarded;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hop_by_hop;
mod in_flight;
mod log_throttle;
mod origin;
mod request;
mod request_body;
mod response;
mod response_body;
mod rewrite;
mod upgrade;

pub(crate) use failure::Failure;
pub(crate) use forwarded::Peer;
pub(crate) use in_flight::is_event_stream;
pub(crate) use rewrite::Links;
pub(crate) use upgrade::Tunnel;

use crate::config::Config;
use crate::metrics::{Metrics, ProxyMetrics};
use crate::quotas::Quotas;
use crate::upstream::Url;
use body::Body;
use client::Origins;
use drain::Drain;
use exchange::Exchange;
use hyper::body::Body as _;
use hyper::{Method, Request, Response};
use in_flight::InFlight;
use origin::Origin;
use request_body::RequestBodyState;
use response::Exchanged;
use rewrite::Rewriter;
use std::sync::Arc;

/// Everything that is proxied.
pub(crate) struct Proxy {
    origins: Vec<Origin>,
    exchange: Exchange,
    metrics: Arc<ProxyMetrics>,
    drain: Drain,
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
    /// What the configuration passes; `None`: nothing. What is under way at an entry of `before`
    /// counts at the same entry here.
    pub(crate) fn new(
        config: &Config,
        links: Links,
        metrics: &Metrics,
        quotas: Arc<Quotas>,
        before: Option<&Self>,
    ) -> Option<Arc<Self>> {
        let known = before.map(|proxy| proxy.origins.as_slice()).unwrap_or_default();
        let origins: Vec<Origin> = config.pass.iter().filter_map(|pass| Origin::new(pass, known)).collect();
        let public_url = config
            .public_url
            .as_ref()
            .and_then(|url| Url::parse(&url.to_string()).ok());
        (!origins.is_empty()).then(|| {
            Arc::new(Self {
                origins,
                exchange: Exchange {
                    client: Origins::new(),
                    rewriter: Rewriter::new(links),
                    public_url,
                    trusted_proxies: config.trusted_proxies.clone(),
                },
                metrics: metrics.proxy(),
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
        request: Request<Body>,
        peer: Peer,
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
        request: Request<Body>,
        peer: Peer,
        body_state: Arc<RequestBodyState>,
    ) -> Result<Proxied, Failure> {
        // RFC 9110, 9.3.8: it would give the client what was meant for the origin.
        if request.method() == Method::TRACE {
            return Err(Failure::Method);
        }
        let mut in_flight = InFlight::enter(origin, &self.metrics)?;
        let path = request.uri().path().to_owned();
        let Exchanged { response, tunnel } = match self.exchange.with(origin, request, peer, body_state).await {
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
}
