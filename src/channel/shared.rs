//! The writing side of a channel whose log several processes share. What the log holds is published
//! here as it is read: each process reads the same, and gives the same ids.

use super::channel::Channel;
use super::opening::Opening;
use super::publisher::Publisher;
use super::settings::Settings;
use super::shared_place::Place;
use crate::event_stream::Item;
use crate::log::{Epoch, Position, SharedNumbering};
use crate::metrics::{GapReason, SourceMetrics};
use std::sync::Arc;
use std::time::Instant;

/// The writing side. There is one: nothing else publishes into its channel.
pub(crate) struct SharedWriter {
    pub(super) channel: Arc<Channel>,
    pub(super) numbering: SharedNumbering,
    /// In the order of the configuration's upstreams.
    pub(super) publishers: Vec<Publisher>,
}

impl Channel {
    /// A channel whose log is not known yet, and what will publish into it.
    pub(crate) fn shared(settings: Settings, metrics: Arc<SourceMetrics>) -> (Arc<Self>, SharedWriter) {
        let upstreams = settings.load().upstreams.len();
        let numbering = SharedNumbering::new();
        let epoch = Epoch::shared(numbering.clone());
        let channel = Self::beginning_with(
            settings,
            metrics,
            (epoch, Position::START),
            Vec::new(),
            false,
            Opening::unopened(),
        );
        let publisher = |n| Publisher::new(channel.clone(), n, false).of_coalesced();
        let writer = SharedWriter {
            publishers: (0..upstreams).map(publisher).collect(),
            numbering,
            channel: channel.clone(),
        };
        (channel, writer)
    }
}

impl SharedWriter {
    /// The channel.
    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// The name of the numbering, once there is one.
    pub(crate) fn epoch(&self) -> Option<String> {
        self.numbering.name()
    }

    /// The log begins behind this message, under this name. Once, before anything is published.
    pub(crate) fn begin(&mut self, epoch: &str, behind: u64) {
        self.numbering.begin(epoch, Position::START);
        let position = self.position(Place::behind(behind));
        self.channel.writer_state().begin_behind(position);
    }

    /// All that the log held when it was opened has been published: clients may come.
    pub(crate) fn open(&self) {
        self.channel.opening.set_open();
    }

    /// All that the log held then has been published.
    pub(crate) fn is_level(&self, at: Instant) {
        self.channel.opening.set_level(at);
    }

    /// The log has come back with less than it had. What comes is numbered under another name, and
    /// clients are told.
    pub(crate) fn begin_anew(&mut self, epoch: &str, sequence: u64) {
        let newest = self.channel.writer_state().newest_position();
        self.numbering.begin(epoch, newest);
        self.gap(
            0,
            Place { sequence, number: 0 },
            (GapReason::LogLost, None),
            Instant::now(),
        );
    }

    /// Whether what came last was numbered by this process alone, or by the one before.
    pub(crate) fn is_own(&self) -> bool {
        self.numbering.is_own()
    }

    /// From now on what comes is numbered by this process alone.
    pub(crate) fn begin_own(&mut self) {
        let newest = self.channel.writer_state().newest_position();
        self.numbering.begin_own(Epoch::new().name(), newest);
        if newest == Position::START {
            let position = self.position(Place::behind(0));
            self.channel.writer_state().begin_behind(position);
        }
    }

    /// What comes is the log's again, from this message on. `gap`: events may be missing before it.
    pub(crate) fn begin_again(&mut self, epoch: &str, sequence: u64, gap: Option<GapReason>) {
        let newest = self.channel.writer_state().newest_position();
        let before = sequence.saturating_sub(1);
        self.numbering.begin_behind(epoch, newest, before);
        if let Some(reason) = gap {
            self.gap(0, Place::behind(before), (reason, None), Instant::now());
        }
    }

    /// The id that is in force at an upstream, where that is known from elsewhere.
    pub(crate) fn follow(&mut self, upstream: usize, id: &[u8]) {
        if let Some(publisher) = self.publishers.get_mut(upstream) {
            publisher.follow(id);
        }
    }

    /// What an upstream yielded.
    pub(crate) fn item(&mut self, upstream: usize, place: Place, item: Item<'_>, received: Instant) {
        self.at(place);
        if let Some(publisher) = self.publishers.get_mut(upstream) {
            publisher.item(item, received);
        }
    }

    /// Events are missing here. `skipped`: so many.
    pub(crate) fn gap(
        &mut self,
        upstream: usize,
        place: Place,
        (reason, skipped): (GapReason, Option<u64>),
        received: Instant,
    ) {
        self.at(place);
        if let Some(publisher) = self.publishers.get_mut(upstream) {
            publisher.missing(reason, skipped, received);
        }
    }

    /// The origin has ended an upstream's stream for good.
    pub(crate) fn ended(&mut self, upstream: usize) {
        if let Some(publisher) = self.publishers.get_mut(upstream) {
            publisher.ended();
        }
    }

    /// The origin has opened it again.
    pub(crate) fn reopened(&mut self, upstream: usize) {
        if let Some(publisher) = self.publishers.get_mut(upstream) {
            publisher.reopened();
        }
    }

    /// All that was there has been published: wakes the followers.
    pub(crate) fn flush(&mut self) {
        self.publishers.iter_mut().for_each(Publisher::flush);
    }

    /// Completes when the followers are near enough for more.
    pub(crate) async fn ready(&mut self) {
        if let Some(publisher) = self.publishers.first_mut() {
            publisher.ready().await;
        }
    }

    /// As the channel's log counts.
    pub(crate) fn position(&self, place: Place) -> Position {
        self.numbering.position(place.sequence, place.number)
    }

    /// What is published next stands here.
    fn at(&self, place: Place) {
        let position = self.position(place);
        self.channel.writer_state().skip_to(position);
    }
}
