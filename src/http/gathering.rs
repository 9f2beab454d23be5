//! Connections without a request are gathered from their tasks, and get tasks again.

use super::client_connection::{self, First};
use super::server::Server;
use super::unasked::Unasked;
use crate::net::Watched;
use std::sync::Arc;

impl Server {
    /// From now on connections that wait for a request in clear text are gathered.
    pub(crate) fn gather_unasked(&self) {
        self.gathering.begin();
        self.pending.ask_to_go();
    }

    /// Whether there are some that have not been gathered yet.
    pub(crate) fn has_ungathered(&self) -> bool {
        self.pending.has_waiting()
    }

    /// Those that were gathered; none are any more.
    pub(crate) fn gathered(&self) -> Vec<Unasked> {
        let gathered = self.gathering.end();
        self.pending.ask_to_stay();
        gathered
    }

    /// Whether all who have asked have their answers, as far as they are no shard's.
    pub(crate) fn has_answered(&self) -> bool {
        self.pending.are_served()
    }

    /// Serves a connection from where it stands. To be called within the runtime that serves
    /// requests.
    pub(crate) fn serve_unasked(self: &Arc<Self>, unasked: Unasked) {
        let (connection, stream) = unasked.into_connection();
        let (phase, peer) = (connection.phase(), connection.peer);
        match Watched::new(stream) {
            Ok(stream) => {
                let task = client_connection::serve(self.clone(), connection, stream, First::Unknown);
                self.pending.spawn(task, phase, self.quotas.pending_max());
            }
            Err(error) => tracing::debug!(%peer, %error, "connection dropped: it can't be watched"),
        }
    }
}
