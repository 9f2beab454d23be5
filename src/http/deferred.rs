//! Requests whose outcome depends on something outside: a verdict on their credentials, the first
//! response of an origin, or an event that a poll can be answered with.

use super::access_check::{self, PendingCheck};
use super::request::{self, Wants};
use super::response::{self, Response};
use super::server::Server;
use super::stream_start::{StreamHead, StreamStart};
use super::{coding, long_poll, stream_head};
use crate::channel::{Admission, Channel, HistoryLookup, HistoryPlace, NotNow};
use crate::delivery::{Framing, Joining};
use crate::metrics::RefuseReason;
use crate::quotas::ClientPermit;
use crate::source::{FirstResponse, Reading};
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
    /// The log of its channel is being read: then it is decided anew.
    Reading(Reading),
    /// Its source is no more: what is in its place now is to decide.
    Gone,
}

/// What the waiting came to.
pub(super) enum Waited {
    For(Outcome),
    /// What it waited for decides now: what is in the place of a source that is no more, or a channel
    /// whose log has been read.
    AskAnew,
}

/// A request whose outcome depends on something outside.
pub(super) enum Deferred {
    /// Whether it may be served is being found out.
    Checked(Box<PendingCheck>),
    /// It may, and the log of its channel is being read.
    Reading(Reading, Wants),
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
            Self::Reading(_, wants) => *wants == Wants::Stream,
            Self::Waiting(waiting) => waiting.wait.is_none(),
        }
    }

    /// What becomes of it. A poll waits no longer than until `hurry` completes.
    pub(super) async fn outcome(self, server: &Server, hurry: impl Future<Output = ()>) -> Waited {
        let waiting = match self {
            Self::Waiting(waiting) => waiting,
            Self::Reading(reading, _) => {
                reading.done().await;
                return Waited::AskAnew;
            }
            Self::Checked(mut check) => {
                let grant = match check.verdict(server).await {
                    Ok(grant) => grant,
                    Err(response) => return Waited::For(Err(response)),
                };
                match server.serve(check.asked(), grant) {
                    Served::Now(outcome) => return Waited::For(outcome),
                    Served::Later(waiting) => waiting,
                    Served::Reading(reading) => {
                        reading.done().await;
                        return Waited::AskAnew;
                    }
                    Served::Gone => return Waited::AskAnew,
                }
            }
        };
        Box::pin(waiting.outcome(server, hurry)).await
    }
}

impl Waiting {
    async fn outcome(self, server: &Server, hurry: impl Future<Output = ()>) -> Waited {
        let Self {
            request,
            permit,
            peer,
            mut admission,
            first,
            history,
            wait,
        } = self;
        let channel = admission.subscription.channel().clone();
        let asked = Instant::now();
        let (mut hurry, mut hurried) = (pin!(hurry), false);
        if let Some(first) = first {
            let wait = wait.map(|wait| wait.max(FIRST_ANSWER_MIN));
            let refused = unless_hurried(first.wait(), wait, hurry.as_mut(), &mut hurried).await;
            if channel.removal().is_some() {
                return Waited::AskAnew;
            }
            if let Some(status) = refused.flatten() {
                return Waited::For(Err(server.origin_refused(&request, &channel.settings().load(), status)));
            }
        }
        let found = found(history, server, wait, (hurry.as_mut(), &mut hurried)).await;
        let history = match served(&channel, &request, server, found) {
            Ok(history) => history,
            Err(instead) => return instead,
        };
        admission.opened();
        let Some(wait) = wait else {
            return Waited::For(
                match part_for(&request, &channel, server, (&permit, history.as_ref())) {
                    Some(part) => Err(part),
                    None => join(&request, permit, peer, admission, history),
                },
            );
        };
        let last_event_id = request::last_event_id(&request);
        if channel.is_over_for(last_event_id.as_deref(), Some(admission.start)) {
            return Waited::For(Err(response::ended(&request, &channel.settings().load())));
        }
        let left = access_check::within(permit.grant(), wait.saturating_sub(asked.elapsed()));
        let wait = left * u32::from(!hurried);
        let no_longer = async {
            tokio::select! {
                () = server.quotas.leaving() => {}
                () = &mut hurry, if !hurried => {}
            }
        };
        let place = (admission.start, history);
        let (news, says_something) = long_poll::news(&channel, last_event_id, place, wait, no_longer).await;
        if channel.removal().is_some() && !says_something {
            return Waited::AskAnew;
        }
        if let Some(response) = access_check::gone(&server.snapshot.load(), &request, &channel, permit.grant()) {
            return Waited::For(Err(response));
        }
        // Its place is another's while the answer is written.
        drop(permit);
        Waited::For(Err(response::news(&request, &channel.settings().load(), &news)))
    }
}

/// What a client gets that can be served here, before the log. Else what becomes of it: its source is no
/// more, or the log that instances share is not known yet, so that neither its id nor "from now on" means
/// anything, or not within reach.
#[expect(
    clippy::result_large_err,
    reason = "it is moved once per answered request; a box would be an allocation more"
)]
fn served(
    channel: &Channel,
    request: &Request<()>,
    server: &Server,
    found: Option<Result<Option<HistoryPlace>, NotNow>>,
) -> Result<Option<HistoryPlace>, Waited> {
    if channel.removal().is_some() {
        return Err(Waited::AskAnew);
    }
    // A poll that did not wait to the end has no news, and no gap either.
    let hurried = || match request::last_event_id(request) {
        Some(id) if channel.is_ahead(&id) => Err(NotNow),
        _ => Ok(None),
    };
    match found.unwrap_or_else(hurried) {
        Ok(history) if channel.is_open() => Ok(history),
        Ok(_) | Err(NotNow) => {
            let refusal = server.refuse(request, &channel.settings().load(), RefuseReason::Log);
            Err(Waited::For(Err(refusal)))
        }
    }
}

/// A part of what a client has missed, if it gets that alone, and still may read it.
fn part_for(
    request: &Request<()>,
    channel: &Channel,
    server: &Server,
    (permit, history): (&ClientPermit, Option<&HistoryPlace>),
) -> Option<Response> {
    let part = history.filter(|history| history.next().is_none())?;
    let gone = access_check::gone(&server.snapshot.load(), request, channel, permit.grant());
    Some(gone.unwrap_or_else(|| response::part(request, channel, part)))
}

/// What a client's history has come to, if it is waited for to its end.
async fn found(
    history: Option<HistoryLookup>,
    server: &Server,
    wait: Option<Duration>,
    (hurry, hurried): (Pin<&mut impl Future<Output = ()>>, &mut bool),
) -> Option<Result<Option<HistoryPlace>, NotNow>> {
    unless_hurried(history_place(history?, server), wait, hurry, hurried).await
}

/// Where a client goes on in what the origin returns, once that is known. `None`: nowhere.
async fn history_place(history: HistoryLookup, server: &Server) -> Result<Option<HistoryPlace>, NotNow> {
    match history {
        HistoryLookup::Found(place) => Ok(Some(place)),
        HistoryLookup::Asking(pending) => pending.answered_before(server.quotas.leaving()).await,
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
    let Admission {
        subscription, start, ..
    } = admission;
    let channel = subscription.channel();
    let last_event_id = request::last_event_id(request);
    if channel.end().is_some() && channel.is_over_for(last_event_id.as_deref(), Some(start)) {
        return Err(response::ended(request, &channel.settings().load()));
    }
    let source = channel.settings().load();
    let coding = coding::of(request, &source);
    let head = match request.version() {
        Version::HTTP_2 => StreamHead::Block(stream_head::block(request, &source, coding)),
        Version::HTTP_10 => StreamHead::Text(stream_head::bytes(request, &source, coding), Framing::Plain),
        _ => StreamHead::Text(stream_head::bytes(request, &source, coding), Framing::Chunked),
    };
    drop(source);
    Ok(StreamStart {
        head,
        joining: Joining {
            subscription,
            coding,
            start,
            permit,
            last_event_id,
            history: history.map(Box::new),
            peer,
        },
    })
}
