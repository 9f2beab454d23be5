//! What goes between a shard and who answers the requests of its connections.

use super::body::RequestBody;
use super::handle::{StreamHandle, StreamNote};
use crate::delivery::new_client::Joining;
use crate::h2::{HeadBlock, Malformed};
use crate::quotas::Quotas;
use bytes::Bytes;
use hyper::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Answers the requests of HTTP/2 connections. Called by shards: nothing here may block.
pub trait Requests: Send + Sync {
    /// Takes a request up. Dropping its [`Reply`] resets the stream.
    fn answer(&self, asked: AskedRequest);

    /// The limits in force.
    fn limits(&self) -> RequestLimits;

    /// A connection's request, or the rest of one, did not come in time.
    fn too_late(&self);

    /// A request was none: its stream has been reset.
    fn malformed(&self);

    /// What connections take their places from.
    fn quotas(&self) -> &Arc<Quotas>;
}

/// What bounds a connection in time.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// How long the first request, or the rest of a head that has begun, may take.
    pub header_timeout: Duration,
    /// How long a connection may be without a stream.
    pub keep_alive: Duration,
    /// What a request's fields may take.
    pub header_bytes: usize,
}

/// A request on its way to be answered.
pub struct AskedRequest {
    /// The request, or why it is none that can be served.
    pub head: Result<Request<()>, Malformed>,
    /// What follows the head; `None`: nothing.
    pub body: Option<RequestBody>,
    /// The peer of the connection.
    pub peer: SocketAddr,
    /// Whether there is a descriptor for its connection to stay.
    pub has_descriptor: bool,
    /// Where the answer goes.
    pub reply: Reply,
}

/// A part of an answer.
pub(in crate::delivery) enum Part {
    /// The response's head; `true`: nothing follows.
    Head(HeadBlock, bool),
    Data(Bytes),
    /// The response is whole.
    End,
    /// The same, and this stands behind its body.
    Trailers(HeadBlock),
    /// The stream is a client's from now on.
    Join(HeadBlock, Box<Joining>),
}

/// Parts that wait in a stream's channel: one to write, one to come.
pub(super) const PARTS_MAX: usize = 2;

/// Where an answer goes, in parts: a head, then a body, then its end; or that a client joins.
pub struct Reply {
    handle: StreamHandle,
    /// `None`: dropped.
    parts: Option<mpsc::Sender<Part>>,
}

/// The client has left, or its connection.
#[derive(Debug)]
pub struct Gone;

impl Reply {
    pub(super) fn new(handle: StreamHandle) -> (Self, mpsc::Receiver<Part>) {
        let (parts, receiver) = mpsc::channel(PARTS_MAX);
        let parts = Some(parts);
        (Self { handle, parts }, receiver)
    }

    /// Sends the response's head. `ends`: there is no body.
    pub async fn head(&self, head: HeadBlock, ends: bool) -> Result<(), Gone> {
        self.send(Part::Head(head, ends)).await
    }

    /// Sends a piece of the body, once the one before it has been written or nearly so.
    pub async fn data(&self, piece: Bytes) -> Result<(), Gone> {
        self.send(Part::Data(piece)).await
    }

    /// Ends the response, and completes when all of it has left.
    pub async fn end(self) {
        if self.send(Part::End).await.is_ok() {
            self.gone().await;
        }
    }

    /// Ends the response with what stands behind its body, and completes when all of it has left.
    pub async fn trailers(self, trailers: HeadBlock) {
        if self.send(Part::Trailers(trailers)).await.is_ok() {
            self.gone().await;
        }
    }

    /// Makes a client of the stream.
    pub async fn join(self, head: HeadBlock, joining: Joining) {
        // A client that has left in the meantime gives its places back with this.
        let _ = self.send(Part::Join(head, Box::new(joining))).await;
    }

    /// Completes when nothing that is sent arrives any more: the stream was reset, the connection
    /// has ended, or the response has left.
    pub async fn gone(&self) {
        if let Some(parts) = &self.parts {
            parts.closed().await;
        }
    }

    async fn send(&self, part: Part) -> Result<(), Gone> {
        let parts = self.parts.as_ref().ok_or(Gone)?;
        parts.send(part).await.map_err(|_| Gone)?;
        self.handle.tell(StreamNote::Answer);
        Ok(())
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // First the parts: told of an answer, the shard finds that there will be none.
        drop(self.parts.take());
        self.handle.tell(StreamNote::Answer);
    }
}
