//! How much memory the logs of a configuration may take, with what is kept beside them.

use super::combine::{Combine, JOINED_CHANNELS_MAX};
use super::root::Config;
use super::source::{Compress, Source};
use super::units::about_size;

/// An entry of a filtered channel, whose text is that of the channel that it is filtered from.
const FILTERED_ENTRY_BYTES: u64 = 200;

/// What logs may take, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The logs of the sources.
    pub(super) logs: u64,
    /// The same events compressed.
    compressed: u64,
    /// Channels with what filters let through.
    filtered: u64,
    /// Channels that are put together from several sources.
    combined: u64,
}

impl Taken {
    /// By so many channels of a source.
    pub(super) fn by(source: &Source, channels: usize, config: &Config) -> Self {
        let channels = channels as u64;
        let text = source.log.bytes;
        // All fragments of an event together are no larger than its text.
        let compressed = match source.compress {
            Compress::Gzip => text,
            Compress::None => 0,
        };
        let entries = (source.log.events as u64).saturating_mul(FILTERED_ENTRY_BYTES);
        // A filter without clients is let go soon.
        let filters = (source.filters as u64).saturating_mul(channels);
        let filters = filters.min(config.limits.clients as u64);
        Self {
            logs: text.saturating_mul(channels),
            compressed: compressed.saturating_mul(channels),
            filtered: entries.saturating_add(compressed).saturating_mul(filters),
            combined: 0,
        }
    }

    /// By the sources that have one channel each, and the paths at which they are put together.
    pub(super) fn by_all_plain(config: &Config) -> Self {
        let plain = config.sources.iter().filter(|source| !source.is_templated());
        let alone = plain.fold(Self::default(), |all, source| all.and(Self::by(source, 1, config)));
        let combined = config.combine.iter().map(|combine| joined(combine, config).all());
        Self {
            combined: combined.fold(0, u64::saturating_add),
            ..alone
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            logs: self.logs.saturating_add(other.logs),
            compressed: self.compressed.saturating_add(other.compressed),
            filtered: self.filtered.saturating_add(other.filtered),
            combined: self.combined.saturating_add(other.combined),
        }
    }

    pub(super) fn all(&self) -> u64 {
        let more = [self.compressed, self.filtered, self.combined];
        more.into_iter().fold(self.logs, u64::saturating_add)
    }

    /// What there is besides the logs, as a part of a sentence. Empty: nothing.
    pub(super) fn besides(&self) -> String {
        let parts = [
            (self.compressed, "compressed"),
            (self.filtered, "filtered"),
            (self.combined, "combined"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(bytes, _)| *bytes > 0)
            .map(|(bytes, what)| format!("{what} ({})", about_size(bytes)))
            .collect();
        match parts.as_slice() {
            [] => String::new(),
            parts => format!(", with what is {} {}", parts.join(" and "), about_size(self.all())),
        }
    }
}

/// By all sets of sources that clients of a path may ask for.
fn joined(combine: &Combine, config: &Config) -> Taken {
    // What was put together by a program may name none.
    let Some(settings) = combine.settings(&config.sources) else {
        return Taken::default();
    };
    // A set holds what its sources hold, and each source is in half of all sets.
    let halved = u32::try_from(combine.sources.len())
        .ok()
        .and_then(|sources| 1_usize.checked_shl(sources - 1));
    let sets = halved
        .unwrap_or(usize::MAX)
        .min(JOINED_CHANNELS_MAX)
        .min(config.limits.channels);
    Taken::by(&settings, sets, config)
}
