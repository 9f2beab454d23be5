//! A channel on its way to a successor process.

use crate::channel::{CarriedChannelState, CarriedWriter, Filter};
use crate::fleet::CarriedMember;
use crate::log::CarriedLogError;
use serde::{Deserialize, Serialize};

/// A channel, but for its log, which travels beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedChannel {
    /// The configured name of its source.
    pub(crate) source: String,
    /// By name; none of a plain source's.
    pub(crate) parameters: Vec<(String, String)>,
    /// What its clients have chosen of the channel with these parameters, which comes before it.
    pub(crate) filter: Option<Filter>,
    pub(super) state: CarriedChannelState,
    /// If its log is shared with other instances.
    pub(super) sharing: Option<CarriedSharing>,
}

/// How far a shared log has been read, and published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedSharing {
    pub(super) writer: CarriedWriter,
    pub(super) member: CarriedMember,
}

/// Why a channel could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum CarriedChannelError {
    /// There is no such source here.
    #[error("a channel of a source that there is not")]
    Source,
    /// Its source has other parameters, or none.
    #[error("a channel whose parameters its source does not have")]
    Parameters,
    /// What it is computed from did not come before it.
    #[error("a channel for a filter without the channel that is filtered")]
    Parent,
    /// Its log is shared here or there, and not at both.
    #[error("a channel whose log is shared with others in one of the two processes alone, or was misread there")]
    Sharing,
    /// It came twice.
    #[error("a channel that there is already")]
    Twice,
    /// There is no room for its upstreams.
    #[error("the limit on open files leaves no room for its upstreams")]
    Descriptors,
    /// What it holds.
    #[error(transparent)]
    Log(#[from] CarriedLogError),
}
