//! Requests whose outcome depends on something outside: a verdict on their credentials, the first
//! response of an origin, or an event that a poll can be answered with.

use super::access_check::{self, PendingCheck};
use super::request::{self, Wants};
use super::response::{self, Response};
use super::server::Server;
use super::stream_start::StreamStart;
use super::{long_poll, stream_head};
use crate::channel::{Admission, HistoryLookup, HistoryPlace};
use crate::delivery::Framing;
use crate::quotas::ClientPermit;
use crate::source::FirstResponse;
use hyper::{Request, Version};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A poll that hardly waits learns all the same that the origin has no such job, if that is known
/// this soon.
const FIRST_ANSWER_MIN: Duration = Duration::from_secs(1);

/// The result of a decision: the client joins a shard, or gets a response.
pub(super) type Outcome = Result<StreamStart, Response>;

/// What is done about a request that may be served.
pub(super) enum Served {
    Now(Outcome),
    Later(Box<Waiting>),
}

/// A request whose outcome depends on something outside.
pub(super) enum Deferred {
    /// Whether it may be served is being found out.
    Checked(Box<PendingCheck>),
    /// It may, is in, and waits.
    Waiting(Box<Waiting>),
}

/// A client that is in, and waits.
pub(super) struct Waiting {
    pub(super) request: Request<()>,
    pub(super) permit: ClientPermit,
    pub(super) peer: SocketAddr,
    pub(super) admission: Admission,
    pub(super) first: Option<FirstResponse>,
    /// What is known of the events after its last event ID, if the log doesn't hold it.
    pub(super) history: Option<HistoryLookup>,
    /// How long a poll waits; `None`: it is a stream.
    pub(super) wait: Option<Duration>,
}

impl Deferred {
    /// Whether it is a stream that is waited for, and no poll.
    pub(super) fn is_stream(&self) -> bool {
        match self {
            Self::Checked(check) => check.wants == Wants::Stream,
            Self::Waiting(waiting) => waiting.wait.is_none(),
        }
    }

    /// What becomes of it. A poll waits no longer than until `hurry` completes.
    pub(super) async fn outcome(self, server: &Server, hurry: impl Future<Output = ()>) -> Outcome {
        let waiting = match self {
            Self::Waiting(waiting) => waiting,
            Self::Checked(mut check) => {
                let grant = check.verdict(server).await?;
                match server.serve(check.asked(), Some(grant)) {
                    Served::Now(outcome) => return outcome,
                    Served::Later(waiting) => waiting,
                }
            }
        };
        Box::pin(waiting.outcome(server, hurry)).await
    }
}

impl Waiting {
    async fn outcome(self, server: &Server, hurry: impl Future<Output = ()>) -> Outcome {
        let Self {
            request,
            permit,
            peer,
            admission,
            first,
            history,
            wait,
        } = self;
        let channel = admission.subscription.channel().clone();
        let asked = Instant::now();
        let mut hurry = pin!(hurry);
        let mut hurried = false;
        if let Some(first) = first {
            let wait = wait.map(|wait| wait.max(FIRST_ANSWER_MIN));
            let refused = unless_hurried(first.wait(), wait, hurry.as_mut(), &mut hurried).await;
            if let Some(status) = refused.flatten() {
                return Err(server.origin_refused(&request, &channel.settings().load(), status));
            }
        }
        let history = match history {
            None => None,
            Some(HistoryLookup::Found(place)) => Some(place),
            Some(HistoryLookup::Asking(pending)) => {
                let answered = async {
                    tokio::select! {
                        place = pending.answered() => place,
                        () = server.quotas.leaving() => None,
                    }
                };
                let answered = unless_hurried(answered, wait, hurry.as_mut(), &mut hurried).await;
                answered.flatten()
            }
        };
        let Some(wait) = wait else {
            return join(&request, permit, peer, admission, history);
        };
        let last_event_id = request::last_event_id(&request);
        if channel.is_over_for(last_event_id.as_deref(), Some(admission.start)) {
            return Err(response::ended(&request, &channel.settings().load()));
        }
        let wait = match hurried {
            true => Duration::ZERO,
            false => access_check::within(permit.grant(), wait.saturating_sub(asked.elapsed())),
        };
        let no_longer = async {
            tokio::select! {
                () = server.quotas.leaving() => {}
                () = &mut hurry, if !hurried => {}
            }
        };
        let place = (admission.start, history);
        let news = long_poll::news(&channel, last_event_id, place, wait, no_longer).await;
        if let Some(response) = access_check::gone(&server.snapshot.load(), &request, &channel, permit.grant()) {
            return Err(response);
        }
        // Its place is another's while the answer is written.
        drop(permit);
        Err(response::news(&request, &channel.settings().load(), &news))
    }
}

/// Waits for something, but a poll only for its `wait` and until it has to `hurry`.
async fn unless_hurried<T>(
    something: impl Future<Output = T>,
    wait: Option<Duration>,
    hurry: Pin<&mut impl Future<Output = ()>>,
    hurried: &mut bool,
) -> Option<T> {
    let Some(wait) = wait else {
        return Some(something.await);
    };
    tokio::select! {
        found = something => Some(found),
        () = sleep(wait) => None,
        () = hurry, if !*hurried => {
            *hurried = true;
            None
        }
    }
}

/// Begins a stream, unless it has ended.
#[expect(
    clippy::result_large_err,
    reason = "it is moved once per answered request; a box would be an allocation more"
)]
pub(super) fn join(
    request: &Request<()>,
    permit: ClientPermit,
    peer: SocketAddr,
    admission: Admission,
    history: Option<HistoryPlace>,
) -> Outcome {
    let Admission { subscription, start } = admission;
    let channel = subscription.channel();
    let last_event_id = request::last_event_id(request);
    if channel.end().is_some() && channel.is_over_for(last_event_id.as_deref(), Some(start)) {
        return Err(response::ended(request, &channel.settings().load()));
    }
    Ok(StreamStart {
        head: stream_head::bytes(request, &channel.settings().load()),
        framing: match request.version() {
            Version::HTTP_10 => Framing::Plain,
            _ => Framing::Chunked,
        },
        subscription,
        start,
        permit,
        last_event_id,
        history: history.map(Box::new),
        peer,
    })
}
