//! A connection of a listener with TLS, from its opening to its first request.

use super::client_connection::{self, First};
use super::connection::Connection;
use super::server::Server;
use crate::config::Alpn;
use crate::metrics::{HandshakeOutcome, RefuseReason};
use crate::net::proxy_protocol::BadHeader;
use crate::net::tls::{self, Failed, TlsListener, TlsState, UnderWayPermit};
use crate::net::{Phase, Stream, Watched};
use bytes::Bytes;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A handshake that has to make room gets so long for what may have come already.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// How a connection begins, if not with a handshake that succeeds.
enum NoHandshake {
    /// It failed, or there was none.
    Failed(Failed),
    /// A request in clear text, and the answer to it.
    ClearText(Bytes),
    /// The PROXY protocol header that has to come first is none.
    NotProxied(BadHeader),
}

/// Makes the handshake, and serves the connection.
pub(super) async fn serve(
    server: Arc<Server>,
    mut connection: Connection,
    stream: Stream,
    listener: Arc<TlsListener>,
    permit: UnderWayPermit,
) {
    // It is gone before the first request: it must not be a part of what waits for hours.
    let secured = Box::pin(secured(&server, &mut connection, stream, &listener, permit)).await;
    let Some(stream) = secured else { return };
    if stream.stream().tls().and_then(TlsState::alpn) == Some(Alpn::H2) {
        let peer = connection.peer;
        return server.hand_over_http2(stream.into_stream(), Bytes::new(), peer, Some(listener));
    }
    drop(listener);
    client_connection::serve(server, connection, stream, First::Unknown).await;
}

/// The stream, once its handshake is over. A failure is counted, and said to the client.
async fn secured(
    server: &Server,
    connection: &mut Connection,
    stream: Stream,
    listener: &TlsListener,
    permit: UnderWayPermit,
) -> Option<Watched> {
    let peer = connection.peer;
    let mut stream = match Watched::new(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%peer, %error, "connection dropped: it can't be watched");
            return None;
        }
    };
    let time_max = listener.handshake_timeout();
    let phase = connection.phase();
    let made = {
        let making = timeout(time_max, make(connection, &mut stream, listener));
        unless_told(making, phase.asked_to_leave()).await
    };
    // What follows is no handshake.
    drop(permit);
    let late = || Failed {
        outcome: HandshakeOutcome::Timeout,
        why: "it took too long".to_owned(),
    };
    let peer = connection.peer;
    let failed = match made.unwrap_or_else(|| Err(NoHandshake::Failed(late()))) {
        Ok(outcome) => {
            server.metrics.handshake(outcome);
            let alpn = stream.stream().tls().and_then(TlsState::alpn);
            tracing::debug!(%peer, outcome = outcome.label(), ?alpn, "handshake made");
            phase.stay();
            connection.secured();
            return Some(stream);
        }
        Err(NoHandshake::NotProxied(why)) => {
            server.refused(RefuseReason::BadRequest);
            tracing::debug!(%peer, %why, "connection refused");
            return None;
        }
        Err(NoHandshake::ClearText(answer)) => {
            connection.answer_last(&stream, &answer).await;
            Failed {
                outcome: HandshakeOutcome::NotTls,
                why: "a request in clear text".to_owned(),
            }
        }
        Err(NoHandshake::Failed(failed)) => {
            if failed.outcome != HandshakeOutcome::Timeout {
                connection.enter(Phase::Lingering);
                tls::let_arrive(&stream).await;
            }
            failed
        }
    };
    server.metrics.handshake(failed.outcome);
    tracing::debug!(%peer, outcome = failed.outcome.label(), why = failed.why, "no handshake");
    None
}

/// What comes of `making` in time; `None`: it took too long, or had to leave.
async fn unless_told<T>(
    making: impl Future<Output = Result<T, tokio::time::error::Elapsed>>,
    told: impl Future<Output = ()>,
) -> Option<T> {
    let mut making = pin!(making);
    tokio::select! {
        biased;
        made = &mut making => return made.ok(),
        () = told => {}
    }
    timeout(LAST_LOOK, making).await.ok()?.ok()
}

/// The PROXY protocol header, where there is one, and the handshake.
async fn make(
    connection: &mut Connection,
    stream: &mut Watched,
    listener: &TlsListener,
) -> Result<HandshakeOutcome, NoHandshake> {
    let closed = |error: Option<io::Error>| {
        NoHandshake::Failed(Failed {
            outcome: HandshakeOutcome::Closed,
            why: error.map_or_else(
                || "the client closed the connection".to_owned(),
                |error| error.to_string(),
            ),
        })
    };
    while !connection.has_begun().map_err(NoHandshake::NotProxied)? {
        match connection.read_on(stream).await {
            Ok(1..) => {}
            Ok(0) => return Err(closed(None)),
            Err(error) => return Err(closed(Some(error))),
        }
    }
    let begin = connection.ahead.take(usize::MAX);
    if let Some(answer) = tls::clear_text_refusal(&begin) {
        return Err(NoHandshake::ClearText(answer));
    }
    tls::handshake(stream, &begin, listener)
        .await
        .map_err(NoHandshake::Failed)
}
