//! Channels are given to a successor process: which of them it can go on with, and what becomes of
//! the others.

use super::basis::Basis;
use super::carried::{CarriedChannel, CarriedSharing};
use super::live_source::LiveSource;
use super::registry::Registry;
use crate::channel::{Channel, Filter, Removal};
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

/// A channel that is given to the successor, and is still this process's.
pub(crate) struct GivenChannel {
    pub(crate) carried: CarriedChannel,
    pub(crate) channel: Arc<Channel>,
}

/// The sources that go on in the successor.
pub(crate) struct GoingOn(HashSet<String>);

impl GivenChannel {
    fn of(
        parameters: &[(String, String)],
        filter: Option<Filter>,
        channel: Arc<Channel>,
        sharing: Option<CarriedSharing>,
    ) -> Self {
        let carried = CarriedChannel {
            source: channel.name().to_owned(),
            parameters: parameters.to_vec(),
            filter,
            state: channel.give_state(),
            sharing,
        };
        Self { carried, channel }
    }

    /// Writes its log. Blocks for as long as `out` does.
    pub(crate) fn write_log(&self, out: impl Write) -> io::Result<()> {
        self.channel.give_log(out)
    }
}

impl GoingOn {
    /// Whether the source of this name goes on.
    pub(crate) fn has(&self, source: &str) -> bool {
        self.0.contains(source)
    }
}

impl Registry {
    /// Which sources go on in a process that has these: by the rule of a reload.
    pub(crate) fn going_on(&self, there: &[Basis]) -> GoingOn {
        let list = self.list();
        // What of a shared log can't be given is found there, and read anew, by the successor.
        let whole = list
            .iter()
            .filter(|live| !live.settings().load().fleet || live.is_shared_and_open());
        let here = whole.map(|live| Basis::of(&live.settings().load()));
        let goes_on = |here: &Basis| there.iter().any(|after| here.goes_on_as(after));
        GoingOn(here.filter(goes_on).map(|here| here.name().to_owned()).collect())
    }

    /// The channels that go on, as plain data. Their upstreams have stopped; what is held back for
    /// `coalesce` is published. Those that wait for their origin's first answer are none of them.
    pub(crate) fn give_channels(&self, going_on: &GoingOn) -> Vec<GivenChannel> {
        let list = self.list();
        let live = list.iter().filter(|live| going_on.has(&live.name()));
        let channels = live.flat_map(|live| match &**live {
            LiveSource::Plain(plain) => vec![(Vec::new(), plain.channel.clone(), plain.give_shared())],
            LiveSource::Templated(templated) => {
                let open = templated.shared().open_to_clients().into_iter();
                open.map(|(parameters, channel)| (parameters.pairs(), channel, None))
                    .collect()
            }
        });
        // What is derived from a channel comes behind it, as far as that is.
        let given = channels.flat_map(|(parameters, channel, sharing)| {
            let mut given = vec![GivenChannel::of(&parameters, None, channel.clone(), sharing)];
            for (filter, derived) in channel.derived() {
                given.push(GivenChannel::of(&parameters, Some((*filter).clone()), derived, None));
            }
            given
        });
        given.collect()
    }

    /// The successor has what goes on: nothing is opened for it any more. The clients of the other
    /// sources get what there is, and are let go in order.
    ///
    /// From before on, this process lets in no client.
    pub(crate) fn let_go(&self, going_on: &GoingOn, removal: Removal) {
        for live in self.list().iter() {
            match going_on.has(&live.name()) {
                true => live.let_go(removal),
                false => live.remove(removal),
            }
        }
    }
}
