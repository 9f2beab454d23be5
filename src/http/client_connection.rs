//! A client's connection that is not handed to a shard at once: its request has not come yet, or
//! its answer is no event stream, behind which another request may come.

use super::connection::{Connection, Next, Refused};
use super::deferred::{Deferred, Outcome, Waited};
use super::exchange::{self, Exchange};
use super::handler::Decision;
use super::head::RequestHead;
use super::server::Server;
use super::stream_start::StreamStart;
use crate::metrics::RefuseReason;
use crate::net::{Phase, Watched};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::Notify;

/// A request, and what was decided about it.
pub(super) type Decided = Box<(RequestHead, Decision)>;

/// What is known of a connection when its task begins.
pub(super) enum First {
    /// Nothing: the request has not come.
    Unknown,
    /// It speaks HTTP/2.
    Http2,
    Decided(Decided),
    /// Its first request is none.
    Other(Next),
}

/// What has become of a request.
enum Answered {
    /// There may be another one on this stream.
    Whole(Watched),
    /// It is another process's to decide: it is here again, as if it had just come.
    Elsewhere(Watched),
    /// There is no other.
    Last,
}

/// What a connection goes on with.
enum Upcoming {
    Request(Decided),
    /// HTTP/2, to its end.
    Http2,
    /// It has been asked for nothing, and goes to another process.
    Elsewhere,
}

/// Serves a connection to its end, or until it is a shard's.
pub(super) async fn serve(server: Arc<Server>, mut connection: Connection, mut stream: Watched, first: First) {
    let mut upcoming = match first {
        First::Unknown => next(&server, &mut connection, &stream).await,
        First::Decided(decided) => Some(Upcoming::Request(decided)),
        First::Http2 => Some(Upcoming::Http2),
        First::Other(other) => decided(&server, &mut connection, &stream, other).await,
    };
    while let Some(next_one) = upcoming {
        let decided = match next_one {
            Upcoming::Request(decided) => decided,
            Upcoming::Http2 => {
                let read = connection.ahead.take(usize::MAX);
                return server.hand_over_http2(stream.into_stream(), read, connection.peer, None);
            }
            Upcoming::Elsewhere => {
                stream = match server.gathering.add(&mut connection, stream) {
                    Some(stream) => stream,
                    None => return,
                };
                connection.stay();
                upcoming = next(&server, &mut connection, &stream).await;
                continue;
            }
        };
        // What is large has a box of its own: most connections wait here for a head.
        (stream, upcoming) = match Box::pin(answer(&server, &mut connection, stream, decided)).await {
            Answered::Whole(stream) => (stream, None),
            Answered::Elsewhere(stream) => (stream, Some(Upcoming::Elsewhere)),
            Answered::Last => return,
        };
        if upcoming.is_none() {
            upcoming = next(&server, &mut connection, &stream).await;
        }
    }
}

/// The next request and what is to be done about it; `None`: there is none, and that was said where
/// it had to be.
async fn next(server: &Arc<Server>, connection: &mut Connection, stream: &Watched) -> Option<Upcoming> {
    loop {
        let next = connection.next(stream, server.limits()).await;
        if connection.has_to_leave() && server.gathering.is_on() {
            match (&next, connection.is_tls()) {
                (Next::TooLate | Next::Nothing, false) => return Some(Upcoming::Elsewhere),
                // What is encrypted can't go.
                (Next::TooLate | Next::Nothing, true) => {
                    connection.stay();
                    continue;
                }
                _ => connection.stay(),
            }
        }
        return decided(server, connection, stream, next).await;
    }
}

/// What is to be done about what has come; `None`: it is no request.
async fn decided(server: &Arc<Server>, connection: &mut Connection, stream: &Watched, next: Next) -> Option<Upcoming> {
    let peer = connection.peer;
    match next {
        Next::Request(head) => {
            let decision = server.handle(&server.snapshot.load(), &head.request, peer);
            return Some(Upcoming::Request(Box::new((*head, decision))));
        }
        Next::Http2 => return Some(Upcoming::Http2),
        Next::Malformed(refused) => Box::pin(refuse(server, connection, stream, refused)).await,
        Next::NotProxied(why) => {
            // What the peer speaks is not known: there is no answer that it would understand.
            server.refused(RefuseReason::BadRequest);
            tracing::debug!(%peer, %why, "connection refused");
        }
        Next::TooLate => {
            server.refused(RefuseReason::HeaderTimeout);
            tracing::debug!(%peer, "the request did not come in time");
        }
        Next::Nothing => {}
    }
    // Over TLS the end is said. A client that takes nothing, or has gone, does not hear it.
    let _ = stream.stream().finish();
    None
}

async fn refuse(server: &Server, connection: &mut Connection, stream: &Watched, refused: Refused) {
    let reason = RefuseReason::BadRequest;
    server.refused(reason);
    tracing::debug!(peer = %connection.peer, reason = reason.label(), why = ?refused.why, "request refused");
    connection.refuse(stream, refused).await;
}

/// Does what was decided about a request.
async fn answer(server: &Arc<Server>, connection: &mut Connection, stream: Watched, decided: Decided) -> Answered {
    let (head, mut decision) = *decided;
    let exchange = loop {
        break match decision {
            Decision::Now(outcome) => exchange_of(outcome),
            Decision::Later(deferred) => match wait(server, connection, &stream, deferred).await {
                Ok(Waited::For(outcome)) => exchange_of(outcome),
                Err(NoWait::Left) => return Answered::Last,
                Err(NoWait::Elsewhere) => {
                    connection.ahead.put_back(&head.bytes);
                    return Answered::Elsewhere(stream);
                }
                Ok(Waited::AskAnew) => {
                    decision = server.handle(&server.snapshot.load(), &head.request, connection.peer);
                    continue;
                }
            },
            Decision::Proxy(proxied) => Ok(proxied.into_exchange(server, connection.peer, connection.is_tls())),
        };
    };
    let exchange = match exchange {
        Ok(exchange) => exchange,
        Err(start) => {
            server.hand_over(stream.into_stream(), *start);
            return Answered::Last;
        }
    };
    let terms = exchange::Terms {
        header_bytes: server.limits().header_bytes,
        quotas: Some(&server.quotas),
    };
    match exchange::serve(connection, &stream, head, exchange, terms).await {
        true => Answered::Whole(stream),
        false => Answered::Last,
    }
}

/// `Err`: an event stream, whose connection goes to a shard.
fn exchange_of(outcome: Outcome) -> Result<Exchange, Box<StreamStart>> {
    match outcome {
        Ok(start) => Err(Box::new(start)),
        Err(response) => Ok(Exchange::Response(Box::new(response))),
    }
}

/// Why an answer is waited for no more.
enum NoWait {
    /// The client has left.
    Left,
    /// Another process is to decide.
    Elsewhere,
}

/// Waits for what an answer depends on.
async fn wait(
    server: &Arc<Server>,
    connection: &mut Connection,
    stream: &Watched,
    deferred: Box<Deferred>,
) -> Result<Waited, NoWait> {
    let is_stream = deferred.is_stream();
    // What is encrypted can't go.
    let may_go = is_stream && !connection.is_tls();
    connection.enter(if may_go { Phase::Deciding } else { Phase::Waiting });
    let phase = connection.phase();
    let has_ended = Notify::new();
    let mut outcome = pin!(deferred.outcome(server, has_ended.notified()));
    let mut ended = pin!(connection.ended(stream));
    let mut told = false;
    loop {
        if may_go && server.gathering.is_on() {
            return Err(NoWait::Elsewhere);
        }
        tokio::select! {
            waited = &mut outcome => {
                phase.stay();
                return Ok(waited);
            }
            // Not to make room: who has asked stays.
            () = phase.asked_to_leave(), if may_go => {}
            () = &mut ended, if !told => {
                // A stream's client that says so has left. A poll's gets its answer, at once.
                if is_stream {
                    return Err(NoWait::Left);
                }
                told = true;
                has_ended.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::SharedPhase;

    fn size_of_task<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// Thousands of connections wait for their next request: behind a proxy that keeps them, or
    /// silent.
    #[test]
    fn a_connection_that_waits_is_small() {
        let size = size_of_task(serve);
        assert!(size <= 900, "{size} bytes");
        assert!(size_of::<Connection>() <= 96, "{} bytes", size_of::<Connection>());
        assert!(size_of::<SharedPhase>() <= 72, "{} bytes", size_of::<SharedPhase>());
    }
}
