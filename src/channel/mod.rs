//! A live source: what its upstreams yield becomes entries of its log, and the log's followers are
//! notified.
//!
//! A channel knows no socket and no configuration file. Followers (a delivery shard, an HTTP/2
//! body, a long poll) join with a [`Follower`] and look at the log themselves; publishing notifies
//! them and goes on.

mod asking;
mod asks;
mod backpressure;
mod blocks;
mod carried;
mod carried_writer;
mod catching_up;
mod caught_up;
mod compression;
#[expect(clippy::module_inception, reason = "the room is named by its central type")]
mod channel;
mod coalesce;
mod counted;
mod derivation;
mod derivations;
mod derived;
mod derived_set;
mod deriving;
mod end;
mod end_rules;
mod filter;
mod filters;
mod followers;
mod following;
mod history;
mod history_writer;
mod ids;
mod join;
mod joined;
mod joined_block;
mod joined_id;
mod joining;
mod joins;
mod json_pointer;
mod lineage;
mod long_ids;
mod matching;
mod membership;
mod older;
mod opening;
mod past;
mod places;
mod possible;
mod publisher;
mod reaching_back;
mod removal;
mod settings;
mod shared;
mod shared_place;
mod skipping;
mod starting;
mod subscription;
mod tracks;
mod waiting_for_log;
mod writer_state;

pub(crate) use asking::HistoryLookup;
pub(crate) use blocks::{end_block, gap_block, gap_blocks, live_block, retry_block};
pub use carried::CarriedChannelState;
pub(crate) use carried_writer::CarriedWriter;
pub use channel::Channel;
pub(crate) use coalesce::CoalesceBuffer;
pub use compression::Coding;
pub(crate) use derived::KeepsDerived;
pub use derived::TooManyFilters;
pub use end::{Cause, End};
pub use filter::{BadFilter, Filter};
pub use followers::Follower;
pub(crate) use history::History;
pub use history::HistoryPlace;
pub(crate) use history_writer::{HistoryWriter, Meeting};
pub use long_ids::LongIds;
pub(crate) use older::{NotNow, Older, PendingPiece, Wanted};
pub(crate) use past::{Left, Past};
pub use possible::metrics_of;
pub use publisher::Publisher;
pub use removal::Removal;
pub use settings::Settings;
pub(crate) use shared::SharedWriter;
pub(crate) use shared_place::Place;
pub(crate) use skipping::Missed;
pub(crate) use starting::Beginning;
pub use subscription::{Admission, Subscription};
