//! Carries out what a [`Chain`] says, with an engine: one task per open channel.

mod next;
mod showing;
mod shown;
mod waits;

use self::shown::Shown;
use self::waits::{Event, Waits};
use super::chain::{Chain, ChainAction, ChainNews, UpstreamEnd};
use super::engine::ChainEngine;
use super::loading::{Loaded, load};
use super::peers::Followed;
use super::routes::{Route, Tailed};
use super::source_log::SourceLog;
use crate::channel::{Channel, SharedWriter};
use crate::fleet::apply::apply;
use crate::fleet::pipeline::{Answer, Append};
use crate::fleet::record::{Content, Stored};
use crate::fleet::shared::{Lead, Shared};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout;

/// Contents that the pipeline holds at one time: enough for a whole message of small events.
const PIPELINE_MAX: usize = 1024;
/// How long a leader that releases its channel waits for what it has read to be in the log.
const LAST_APPENDS: Duration = Duration::from_millis(700);
/// Clients wait so long for another instance, or the engine, before they get their streams: then they
/// wait in these.
const ASKING_MAX: Duration = Duration::from_secs(5);

/// How a channel's stream has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainOver {
    /// By its terminal event, or since the origin has no more.
    Ended(Instant),
    /// The origin has refused it with this status.
    Refused(u16, Instant),
    /// It had ended, and others have begun another stream under the same parameters.
    Another,
}

/// See the module.
pub(crate) struct Part<E: ChainEngine> {
    pub(super) log: Arc<SourceLog<E>>,
    pub(super) key: String,
    pub(super) chain: Chain,
    pub(super) route: Route,
    pub(super) writer: SharedWriter,
    pub(super) shared: Arc<Shared>,
    pub(super) waits: Waits,
    followed: Option<Followed>,
    /// Whether clients may come in.
    opened: watch::Sender<bool>,
    asking_since: Instant,
    over: Option<ChainOver>,
    /// When what was read last was written.
    written: Instant,
    shown: Shown,
}

impl<E: ChainEngine> Part<E> {
    pub(super) fn new(
        log: Arc<SourceLog<E>>,
        (key, route): (String, Route),
        chain: Chain,
        writer: SharedWriter,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            log,
            key,
            chain,
            route,
            writer,
            shared,
            waits: Waits::default(),
            followed: None,
            opened: watch::Sender::new(false),
            asking_since: Instant::now(),
            over: None,
            written: Instant::now(),
            shown: Shown::default(),
        }
    }

    /// Its channel.
    pub(crate) fn channel(&self) -> &Arc<Channel> {
        self.writer.channel()
    }

    /// What its upstreams write to, and when they are to.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether clients may come in: the origin has not refused the channel, or not been heard of for too
    /// long.
    pub(crate) fn opened(&self) -> watch::Receiver<bool> {
        self.opened.subscribe()
    }

    /// Whether clients may come in at once.
    pub(crate) fn is_open(&self) -> bool {
        self.chain.is_open()
    }

    /// How its stream has ended, if that is known by now.
    pub(crate) fn over(&self) -> Option<ChainOver> {
        self.over
    }

    /// Takes part, until the channel's stream has ended.
    pub(crate) async fn run(&mut self) -> ChainOver {
        loop {
            if let Some(over) = self.over {
                self.shared.lead(None);
                self.show();
                return over;
            }
            self.turn().await;
        }
    }

    /// Completes when others have begun another stream under the same parameters. To be called once
    /// this one has ended.
    pub(crate) async fn until_another(&mut self) {
        while self.over != Some(ChainOver::Another) {
            let tailed = self.route.next().await;
            self.tailed(tailed);
        }
    }

    /// Leads no more, once all that was read from the origin is in the log, if that is soon: another
    /// instance may.
    pub(crate) async fn release(&mut self) {
        self.chain.leave();
        self.shared.lead(None);
        let Some(term) = self.chain.leads() else { return };
        self.shared.inbox.push(term, Content::Released);
        self.shared.inbox.close();
        let released = async {
            while self.over.is_none() && self.chain.leads().is_some() {
                self.feed();
                let is_empty = self.chain.pipeline().is_none_or(|pipeline| pipeline.is_empty());
                if is_empty && self.shared.inbox.buffered() == 0 {
                    return;
                }
                self.turn().await;
            }
        };
        let _ = timeout(LAST_APPENDS, released).await;
        self.chain.resign();
        self.shared.inbox.clear();
        self.show();
    }

    /// Lets the engine go of what it holds of the stream, which has ended long ago.
    pub(crate) async fn purge(&mut self) {
        let read = self.chain.read_up_to();
        if read > 0
            && let Err(error) = self.log.engine.purge(&self.key, read).await
        {
            tracing::debug!(source = self.channel().name(), %error, "a channel stays in the log until it is too old");
        }
    }

    /// Does what is to be done, waits for what happens next, and takes it in.
    async fn turn(&mut self) {
        self.feed();
        self.chain.set_clients(self.channel().subscribers() > 0);
        let now = Instant::now();
        for action in self.chain.actions(now) {
            self.act(action).await;
        }
        self.follow();
        self.open();
        self.show();
        let event = self.next().await;
        self.happened(event);
    }

    /// Gives the pipeline what has come.
    fn feed(&mut self) {
        if let Some(pipeline) = self.chain.pipeline() {
            let room = PIPELINE_MAX.saturating_sub(pipeline.waiting());
            for content in self.shared.inbox.take(room) {
                pipeline.push(content);
            }
        }
    }

    async fn act(&mut self, action: ChainAction) {
        match action {
            ChainAction::AskLast => self.waits.ask_last(&self.log, &self.key),
            ChainAction::Append(append) => self.append(append).await,
            ChainAction::Lead {
                term,
                places,
                is_told,
                is_first,
            } => {
                self.shared.inbox.begin(term, is_told);
                self.shared.lead(Some(Lead {
                    term,
                    places,
                    is_first,
                    is_inherited: false,
                }));
            }
            ChainAction::StopLeading => {
                self.shared.lead(None);
                self.shared.inbox.clear();
            }
            ChainAction::ReadAnew => self.read_anew(),
        }
    }

    /// What follows what has been read; where the numbering has another name, what follows that.
    fn read_anew(&mut self) {
        let (names, read) = (self.log.names(), self.chain.read_up_to());
        let from = match self.waits.is_renamed {
            true => names.begin() + 1,
            false => read + 1,
        };
        let bytes = self.channel().settings().load().log.bytes;
        let loading = load(self.log.clone(), self.key.clone(), from, bytes);
        self.waits.loading = Some(Box::pin(loading));
    }

    async fn append(&mut self, append: Append) {
        let began = Instant::now();
        let (expected, id, term) = (append.expected, append.id(), append.record.term);
        let log = &self.log;
        let answer = log
            .engine
            .append_to(&self.key, expected, id, append.record.message())
            .await;
        let seconds = log.metrics.append_seconds.clone();
        self.waits.answers.spawn(async move {
            let answer = answer.await;
            if answer == Answer::Stored {
                seconds.record(began.elapsed().as_secs_f64());
            }
            (term, answer)
        });
    }

    /// Looks for signs of life of the process that leads.
    fn follow(&mut self) {
        let process = self.chain.follows();
        if self.followed.as_ref().map(Followed::process) != process {
            self.followed = process.map(|process| self.log.peers.follow(process));
        }
    }

    fn open(&mut self) {
        if !*self.opened.borrow() && (self.chain.is_open() || self.asking_since.elapsed() >= ASKING_MAX) {
            self.opened.send_replace(true);
        }
    }

    fn happened(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Tailed(tailed) => {
                self.tailed(tailed);
                while self.over.is_none()
                    && let Some(tailed) = self.route.at_once()
                {
                    self.tailed(tailed);
                }
                self.writer.flush();
            }
            Event::Missed if self.chain.name() != self.log.names().current() => self.tailed(Tailed::Renamed),
            Event::Missed => self.chain.begin_reading_anew(),
            Event::Loaded(loaded) => self.loaded(loaded),
            Event::Answered(term, answer) => {
                if answer == Answer::Refused {
                    self.log.metrics.appends_refused.increment(1);
                }
                self.log.answered(answer != Answer::Lost);
                self.shared.inbox.set_away(answer == Answer::Lost);
                self.chain.answered(term, answer, now);
            }
            Event::Last(last) => {
                self.log.answered(last.is_some());
                self.shared.inbox.set_away(last.is_none());
                self.chain.last(last, now);
            }
            Event::LeaderGone(process) => self.chain.leader_died(&process),
            Event::Arrived | Event::Due => {}
        }
    }

    fn tailed(&mut self, tailed: Tailed) {
        match tailed {
            // It is read from the engine, with what comes before it.
            Tailed::Stored(_) if self.waits.is_renamed => {}
            Tailed::Stored(stored) if self.chain.has_hole_before(&stored, &self.log.names()) => {
                self.chain.begin_reading_anew();
            }
            Tailed::Stored(stored) => self.read(&stored),
            Tailed::Renamed => {
                self.waits.is_renamed = true;
                self.waits.loading = None;
                self.chain.renamed(&self.log.names());
            }
            Tailed::Skipped => self.chain.may_have_missed(),
            Tailed::Level(at) => self.writer.is_level(at),
        }
    }

    fn loaded(&mut self, loaded: Option<Loaded>) {
        let Some(loaded) = loaded else {
            return self.read_anew_later();
        };
        if std::mem::take(&mut self.waits.is_renamed) {
            let known = if loaded.records.is_empty() { loaded.last } else { 0 };
            self.chain.rebase(known);
        }
        loaded.records.iter().for_each(|stored| self.read(stored));
        self.chain.has_read_anew(loaded.last);
        self.writer.flush();
    }

    fn read_anew_later(&mut self) {
        let (log, key) = (self.log.clone(), self.key.clone());
        let from = match self.waits.is_renamed {
            true => log.names().begin() + 1,
            false => self.chain.read_up_to() + 1,
        };
        let bytes = self.channel().settings().load().log.bytes;
        self.waits.loading = Some(Box::pin(async move {
            tokio::time::sleep(waits::AGAIN_AFTER).await;
            load(log, key, from, bytes).await
        }));
    }

    /// A message of the channel.
    pub(super) fn read(&mut self, stored: &Stored) {
        if self.over == Some(ChainOver::Another) {
            return;
        }
        let now = Instant::now();
        self.written = now.checked_sub(stored.age).unwrap_or(now);
        let (news, freed) = self.chain.read(stored, &self.log.names(), now);
        self.shared.inbox.free(freed);
        match news {
            ChainNews::Nothing => {}
            ChainNews::Begins => self.over = Some(ChainOver::Another),
            ChainNews::Says(news) => {
                apply(&mut self.writer, stored, news, &[]);
                self.look_for_the_end();
            }
        }
    }

    fn look_for_the_end(&mut self) {
        if self.over.is_some() {
            return;
        }
        let at = self.written;
        self.over = match self.chain.all_ended() {
            _ if self.channel().has_terminated() => Some(ChainOver::Ended(at)),
            Some(UpstreamEnd::Ended) => Some(ChainOver::Ended(at)),
            Some(UpstreamEnd::Refused(status)) => Some(ChainOver::Refused(status, at)),
            None => None,
        };
        if self.over.is_some() {
            self.chain.over();
        }
    }

    /// What has been read ended long ago: the next stream under the same parameters begins.
    pub(super) fn begin_another(&mut self, writer: SharedWriter) {
        self.chain.begin_another();
        (self.writer, self.over) = (writer, None);
    }
}
