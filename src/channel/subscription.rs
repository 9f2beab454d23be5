//! A client's membership in a channel: leaving is dropping it.

use super::channel::Channel;
use crate::log::{StartPoint, WantedStart};
use crate::metrics::Protocol;
use std::sync::Arc;

/// A client that has been let in.
pub struct Admission {
    /// Its membership.
    pub subscription: Subscription,
    /// Where it starts, if it has no last event ID: all that comes from then on is for it, however
    /// late its stream is written.
    pub start: StartPoint,
    /// Where it wants to, if it says so.
    pub(super) wanted: Option<WantedStart>,
}

impl Admission {
    /// The log was not known when it came, and is by now: it starts as if it came now.
    pub(crate) fn opened(&mut self) {
        if self.start == StartPoint::Unopened {
            self.start = self.subscription.channel.start_point(self.wanted);
        }
    }
}

/// A client's membership in a channel: leaving is dropping it.
pub struct Subscription {
    channel: Arc<Channel>,
    protocol: Protocol,
}

impl Channel {
    /// Counts a client in whose request is let in, and takes its place. `wanted`: where it wants to
    /// start, if it says so.
    pub fn admit(self: &Arc<Self>, protocol: Protocol, wanted: Option<WantedStart>) -> Admission {
        let start = self.start_point(wanted);
        let subscription = self.subscribe(protocol);
        Admission {
            subscription,
            start,
            wanted,
        }
    }

    /// Counts a client in that has its place already.
    pub fn subscribe(self: &Arc<Self>, protocol: Protocol) -> Subscription {
        self.each_of_lineage(&|channel| channel.membership.enter());
        self.metrics().clients[protocol.index()].increment(1.0);
        Subscription {
            channel: self.clone(),
            protocol,
        }
    }
}

impl Channel {
    /// It, and what it is computed from: a client of it is a client of all of them.
    fn each_of_lineage(&self, of: &impl Fn(&Self)) {
        of(self);
        self.lineage.parents().for_each(|parent| parent.each_of_lineage(of));
    }
}

impl Subscription {
    /// The channel.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// How the client speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.channel.each_of_lineage(&|channel| channel.membership.leave());
        // Whoever sees by this that a client is gone finds room in its place.
        self.channel.metrics().clients[self.protocol.index()].decrement(1.0);
    }
}
