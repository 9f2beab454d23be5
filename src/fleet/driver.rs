//! Carries out what a [`Member`] says, with an engine: one task per source.

mod apart;
mod away;
mod leave;
mod publish;
mod reach;
mod show;
mod waits;

use self::apart::Apart;
use self::reach::{OPEN_EVERY, note_error, note_trouble, opened};
use self::waits::{Next, Pending, next_of, pending, probed, reopened};
use super::carried::CarriedMember;
use super::engine::{Engine, EngineError, Extent};
use super::lease::LeaseAnswer;
use super::local::Local;
use super::member::{Action, Member, Settings};
use super::pipeline::{Answer, Append, UNREAD_MAX};
use super::record::Stored;
use super::shared::{Lead, Shared};
use crate::channel::SharedWriter;
use crate::metrics::FleetMetrics;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// Contents that the pipeline holds at one time: enough for whole messages of small events.
const PIPELINE_MAX: usize = 4096;

/// What a driver works with.
pub(crate) struct Parts<E> {
    pub(crate) engine: Arc<E>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: SharedWriter,
    pub(crate) metrics: Arc<FleetMetrics>,
    pub(crate) settings: Settings,
    /// Messages that are read at a start at the most: what the ring holds.
    pub(crate) ring_events: u64,
    /// The process before has read so far: this one goes on behind it.
    pub(crate) carried: Option<CarriedMember>,
    /// What clients get while the engine is away.
    pub(crate) local: Local,
}

struct Driver<E: Engine> {
    engine: Arc<E>,
    shared: Arc<Shared>,
    writer: SharedWriter,
    metrics: Arc<FleetMetrics>,
    member: Member,
    reader: Option<E::Reader>,
    /// The next one, while there is none.
    reopening: Option<Pending<Result<E::Reader, EngineError>>>,
    /// When that may be asked for.
    read_again: Instant,
    /// Clients may come once it has been read to here.
    opened_at: u64,
    lease: Option<Pending<LeaseAnswer>>,
    end: Option<Pending<Option<u64>>>,
    /// When the log's end was asked for last, and what the answer was, until it has been read so far.
    end_asked: Instant,
    level: Option<(u64, Instant)>,
    /// By the term that they belong to; 0: a term record.
    answers: JoinSet<(u64, Answer)>,
    resyncs: u64,
    /// If clients are served while the engine is away.
    apart: Option<Apart>,
}

/// How far a driver has left the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It takes part.
    Taking,
    /// What it has read from the origin is on its way to the log.
    Leaving,
    /// It leads no more, and reads on.
    Left,
}

/// What has happened.
enum Event {
    Read(Vec<Stored>),
    ReadFailed(EngineError),
    Opened,
    Answered(u64, Answer),
    Lease(LeaseAnswer),
    End(Option<u64>),
    Arrived,
    Aside,
    Probed(Option<u64>),
    Due,
    Leaving,
    Hold,
}

/// Takes part in the fleet for one source, until it is dropped.
pub(crate) async fn drive<E: Engine>(parts: Parts<E>) {
    let Parts {
        engine,
        shared,
        mut writer,
        metrics,
        settings,
        ring_events,
        carried,
        local,
    } = parts;
    let source = writer.channel().name().to_owned();
    let reading = carried.as_ref().map(|carried| carried.reading.clone());
    let mut apart = Apart::of(local, &writer, (&shared, &metrics), reading.as_ref());
    let extent = loop {
        tokio::select! {
            extent = opened(&*engine, &shared, &source) => break extent,
            () = Apart::alone(&mut apart, reading.as_ref(), &mut writer) => {}
            () = shared.until_asked() => {
                if let Some(apart) = &mut apart {
                    apart.stop(&mut writer);
                }
                let held = carried.clone().map(|carried| (writer.give(), carried));
                shared.holding(held).await;
            }
        }
    };
    let settings = Settings {
        message_bytes_max: engine.message_bytes_max(),
        ..settings
    };
    let (now, opened_at) = (Instant::now(), extent.last);
    let member = member(settings, extent, carried, ring_events, now);
    let mut driver = Driver {
        engine,
        shared,
        writer,
        metrics,
        member,
        reader: None,
        reopening: None,
        read_again: now,
        opened_at,
        lease: None,
        end: None,
        end_asked: now,
        level: None,
        answers: JoinSet::new(),
        resyncs: 0,
        apart,
    };
    driver.run().await;
}

/// One that reads on behind what has been read, or what the ring is to hold and as much before it as that
/// takes: what a message says depends on those before it.
fn member(
    settings: Settings,
    extent: Extent,
    carried: Option<CarriedMember>,
    ring_events: u64,
    now: Instant,
) -> Member {
    let (first, last, seed) = (extent.first, extent.last, fastrand::u64(..));
    let shown = first.max((last + 1).saturating_sub(ring_events)).max(1);
    let from = first.max(shown.saturating_sub(UNREAD_MAX as u64)).max(1);
    let settings = Settings {
        first_epoch: extent.epoch,
        publish_behind: if carried.is_some() { 0 } else { shown.min(last + 1) - 1 },
        ..settings
    };
    match carried {
        None => Member::new(settings, from.min(last + 1) - 1, now, seed),
        Some(carried) => Member::going_on(settings, carried, now, seed),
    }
}

impl<E: Engine> Driver<E> {
    async fn run(&mut self) {
        let mut stage = Stage::Taking;
        loop {
            match self.turn(stage).await {
                Event::Leaving => {
                    self.leave().await;
                    stage = Stage::Left;
                }
                Event::Hold => self.hold_still().await,
                event => self.happened(event),
            }
        }
    }

    /// Does what is to be done, and waits for what happens next.
    async fn turn(&mut self, stage: Stage) -> Event {
        self.feed();
        if stage == Stage::Taking {
            self.look_out();
        }
        for action in self.member.actions(Instant::now()) {
            self.act(action).await;
        }
        let read = self.member.reading.read();
        if let Some((_, at)) = self.level.take_if(|(last, _)| *last <= read) {
            self.writer.is_level(at);
        }
        self.show();
        self.next(stage).await
    }

    fn happened(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Read(stored) => self.read(&stored),
            Event::ReadFailed(error) => self.read_failed(&error),
            Event::Answered(term, answer) => {
                if answer == Answer::Refused {
                    self.metrics.appends_refused.increment(1);
                }
                self.answered_in_time(answer != Answer::Lost);
                match term {
                    0 => self.member.term_answered(answer, now),
                    term => self.member.answered(term, answer),
                }
            }
            Event::Lease(answer) => {
                self.lease = None;
                if answer == LeaseAnswer::Away {
                    self.trouble();
                }
                self.member.lease(&answer, now);
                self.lease_answered(&answer);
            }
            Event::End(last) => {
                self.end = None;
                self.answered_in_time(last.is_some());
                self.level = last.map(|last| (last, self.end_asked));
                self.member.end(last, now);
            }
            Event::Aside => {
                if let Some(apart) = &mut self.apart {
                    apart.deliver(&mut self.writer);
                }
            }
            Event::Probed(last) => self.probed(last),
            // What the engine does not let through is not always missed by a question.
            Event::Due => self.trouble(),
            Event::Opened => self.within_reach(),
            Event::Arrived | Event::Leaving | Event::Hold => {}
        }
    }

    /// Gives the pipeline what has come.
    fn feed(&mut self) {
        if let Some(pipeline) = self.member.pipeline() {
            let room = PIPELINE_MAX.saturating_sub(pipeline.waiting());
            for content in self.shared.inbox.take(room) {
                pipeline.push(content);
            }
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Lease(revision) => {
                let engine = self.engine.clone();
                self.lease = Some(Box::pin(async move { engine.lease(revision).await }));
            }
            Action::AskEnd => {
                self.end_asked = Instant::now();
                let engine = self.engine.clone();
                self.end = Some(Box::pin(async move { Some(engine.extent().await.ok()?.last) }));
            }
            Action::AppendTerm(append) => self.append(0, append).await,
            Action::Append(append) => self.append(append.record.term, append).await,
            Action::Lead {
                term,
                mut places,
                is_told,
                inherited,
            } => {
                self.is_deposed();
                // One that has been followed by another meanwhile is about to be told to stop.
                let is_filled = self.member.leads() == Some(term)
                    && self.apart.as_mut().is_some_and(|apart| apart.local.fill(&mut places));
                tracing::info!(source = self.writer.channel().name(), term, "this instance leads");
                let is_inherited = inherited.is_some();
                self.shared.inbox.begin(term, is_told);
                self.shared.inbox.go_on_with(inherited.unwrap_or_default());
                self.shared.lead(Some(Lead {
                    term,
                    places,
                    is_first: term == 1 && !is_filled,
                    is_inherited,
                }));
            }
            Action::LetGo => self.shared.put_upstreams(Vec::new()),
            Action::StopLeading => {
                self.is_deposed();
                tracing::info!(source = self.writer.channel().name(), "this instance leads no more");
                self.shared.lead(None);
                self.shared.inbox.clear();
            }
            Action::ReadAnew => {
                if self.member.reading.is_lost() {
                    let (source, last) = (self.writer.channel().name(), self.member.reading.read());
                    tracing::warn!(source, last, "the shared log has less than was read of it");
                }
                self.metrics.consumer_rebuilds.increment(1);
                (self.reader, self.reopening) = (None, None);
                self.read_again = Instant::now();
            }
        }
    }

    async fn append(&mut self, term: u64, append: Append) {
        let began = Instant::now();
        let (expected, id) = (append.expected, append.id());
        let answer = self.engine.append(expected, id, append.record.message()).await;
        let seconds = self.metrics.append_seconds.clone();
        self.answers.spawn(async move {
            let answer = answer.await;
            if answer == Answer::Stored {
                seconds.record(began.elapsed().as_secs_f64());
            }
            (term, answer)
        });
    }

    async fn next(&mut self, stage: Stage) -> Event {
        let due = match &self.apart {
            Some(apart) if stage == Stage::Taking => self.member.due().min(apart.due()),
            _ => self.member.due(),
        };
        if self.reader.is_none() && self.reopening.is_none() {
            // Kept over what happens meanwhile: the engine makes a consumer for each that is asked for.
            let (engine, behind) = (self.engine.clone(), self.member.reading.read());
            self.reopening = Some(Box::pin(reopened(engine, behind + 1, self.read_again)));
        }
        let Self {
            shared,
            writer,
            member,
            reader,
            reopening,
            lease,
            end,
            answers,
            apart,
            ..
        } = self;
        let leads = member
            .pipeline()
            .is_some_and(|pipeline| pipeline.waiting() < PIPELINE_MAX);
        tokio::select! {
            Some(last) = probed(apart.as_mut().map(|apart| &mut apart.probes)) => Event::Probed(last),
            Some(Ok((term, answer))) = answers.join_next() => Event::Answered(term, answer),
            answer = pending(lease) => Event::Lease(answer),
            last = pending(end) => Event::End(last),
            next = next_of(reader, writer, &shared.inbox) => match next {
                Next::Read(Ok(stored)) => Event::Read(stored),
                Next::Read(Err(error)) => Event::ReadFailed(error),
                Next::Aside => Event::Aside,
            },
            opened = pending(reopening) => {
                *reopening = None;
                match opened {
                    Ok(opened) => {
                        *reader = Some(opened);
                        Event::Opened
                    }
                    Err(error) => Event::ReadFailed(error),
                }
            }
            () = shared.inbox.until_arrived(), if leads => Event::Arrived,
            () = sleep_until(due.into()) => Event::Due,
            () = shared.until_leaving(), if stage == Stage::Taking => Event::Leaving,
            () = shared.until_asked(), if stage != Stage::Leaving => Event::Hold,
        }
    }

    fn read_failed(&mut self, error: &EngineError) {
        note_error(&self.shared, self.writer.channel().name(), error);
        if self.reader.take().is_some() {
            self.metrics.consumer_rebuilds.increment(1);
        }
        self.read_again = Instant::now() + OPEN_EVERY.mul_f64(0.5 + fastrand::f64());
    }

    fn answered_in_time(&self, is_there: bool) {
        reach::answered(&*self.engine, &self.shared, self.writer.channel().name(), is_there);
    }

    /// Something got no answer.
    fn trouble(&self) {
        note_trouble(&*self.engine, &self.shared, self.writer.channel().name());
    }
}
