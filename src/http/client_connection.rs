//! A client's connection that is not handed to a shard at once: its request has not come yet, or its answer is no event
//! stream, behind which another request may come.

use super::connection::{Connection, Next};
use super::exchange::{self, Exchange};
use super::handler::{Decision, Deferred, Outcome};
use super::head::RequestHead;
use super::server::Server;
use crate::metrics::RefuseReason;
use crate::net::{Phase, Stream, Watched};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::Notify;

/// What is known of a connection when its task begins.
pub(super) enum First {
    /// Nothing: the request has not come.
    Unknown,
    /// Its first request, and what was decided about it.
    Decided(Box<RequestHead>, Decision),
    /// Its request can't be understood, or the client has left.
    Other(Next),
}

/// Serves a connection to its end, or until it is a shard's.
pub(super) async fn serve(server: Arc<Server>, mut connection: Connection, stream: Stream, first: First) {
    let stream = match Watched::new(stream) {
        Ok(stream) => stream,
        Err(error) => {
            return tracing::debug!(peer = %connection.peer, %error, "connection dropped: it can't be watched");
        }
    };
    let mut decided = match first {
        First::Unknown => decided(&server, &mut connection, &stream, None).await,
        First::Decided(head, decision) => Some((head, decision)),
        First::Other(next) => decided(&server, &mut connection, &stream, Some(next)).await,
    };
    while let Some((head, decision)) = decided {
        // What is large has a box of its own: most connections wait here for a head.
        let exchange = match decision {
            Decision::Now(outcome) => Exchange::of(outcome),
            Decision::Later(deferred) => match Box::pin(wait(&server, &mut connection, &stream, deferred)).await {
                Some(outcome) => Exchange::of(outcome),
                None => return,
            },
            Decision::Proxy(proxied) => Ok(proxied.into_exchange(&server, connection.peer)),
        };
        let exchange = match exchange {
            Ok(exchange) => exchange,
            Err(start) => return server.hand_over(stream.into_stream(), *start),
        };
        let terms = exchange::Terms {
            header_bytes: server.limits().header_bytes,
            quotas: Some(&server.quotas),
        };
        if !Box::pin(exchange::serve(&mut connection, &stream, *head, exchange, terms)).await {
            return;
        }
        decided = self::decided(&server, &mut connection, &stream, None).await;
    }
}

/// The next request, with the decision about it; `None`: none comes, and a malformed one has been answered. `next`: what
/// has been read already.
async fn decided(
    server: &Arc<Server>,
    connection: &mut Connection,
    stream: &Watched,
    next: Option<Next>,
) -> Option<(Box<RequestHead>, Decision)> {
    let next = match next {
        Some(next) => next,
        None => connection.next(stream, server.limits()).await,
    };
    let peer = connection.peer;
    match next {
        Next::Request(head) => {
            let decision = server.handle(&server.snapshot.load(), &head.request, peer);
            Some((head, decision))
        }
        Next::Malformed(refused) => {
            server.refused(RefuseReason::BadRequest);
            tracing::debug!(%peer, reason = RefuseReason::BadRequest.label(), why = ?refused.why, "request refused");
            Box::pin(connection.refuse(stream, refused)).await;
            None
        }
        Next::NotProxied(why) => {
            // What the peer speaks is not known: there is no answer that it would understand.
            server.refused(RefuseReason::BadRequest);
            tracing::debug!(%peer, %why, "connection refused");
            None
        }
        Next::TooLate => {
            server.refused(RefuseReason::HeaderTimeout);
            tracing::debug!(%peer, "the request did not come in time");
            None
        }
        Next::Nothing => None,
    }
}

/// Waits for what an answer depends on; `None`: the client has left.
async fn wait(
    server: &Arc<Server>,
    connection: &mut Connection,
    stream: &Watched,
    deferred: Box<Deferred>,
) -> Option<Outcome> {
    connection.enter(Phase::Waiting);
    let is_stream = deferred.is_stream();
    let has_ended = Notify::new();
    let mut outcome = pin!(deferred.outcome(server, has_ended.notified()));
    let mut ended = pin!(connection.ended(stream));
    let mut told = false;
    loop {
        tokio::select! {
            outcome = &mut outcome => return Some(outcome),
            () = &mut ended, if !told => {
                // A stream's client that says so has left. A poll's gets its answer, at once.
                if is_stream {
                    return None;
                }
                told = true;
                has_ended.notify_one();
            }
        }
    }
}
