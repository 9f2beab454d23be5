//! A shared log as the admin sees it.

use crate::fleet::FleetState;
use crate::source::Plain;
use crate::status::{FleetStatus, NotReady, SourceState};
use std::time::Duration;

/// The engine gives a sign of life every five seconds at least: after so many without one it is away.
const FRESH: Duration = Duration::from_secs(15);

/// How it is shown.
pub(super) fn fleet_status(state: &FleetState) -> FleetStatus {
    FleetStatus {
        is_leader: state.is_leader,
        leader: state.leader.clone(),
        term: state.term,
        lag_events: state.lag,
        buffered_events: state.buffered,
        channels_led: state.channels_led,
        lease_age_seconds: state.lease_age.map(|age| age.as_secs_f64()),
        heard_seconds: state.heard.map(|heard| heard.elapsed().as_secs_f64()),
        error: state.error.clone(),
        is_local: state.is_local,
    }
}

fn is_fresh(state: &FleetState) -> bool {
    state.is_open && state.heard.is_some_and(|heard| heard.elapsed() < FRESH)
}

/// The state of a source that another instance feeds; `None`: this one does.
pub(super) fn followed(state: &FleetState) -> Option<SourceState> {
    if state.is_local {
        return None;
    }
    match (state.is_leader, is_fresh(state), state.is_open) {
        (true, true, _) => None,
        (_, true, _) => Some(SourceState::Live),
        (_, false, true) => Some(SourceState::Away),
        (_, false, false) => Some(SourceState::Connecting),
    }
}

/// What keeps a source with a shared log from being ready, beside its upstreams.
pub(super) fn not_within_reach(plain: &Plain, state: &FleetState) -> Option<NotReady> {
    if state.is_local || is_fresh(state) {
        return None;
    }
    let detail = match (&state.error, state.is_open) {
        (Some(error), _) => format!("the shared log is out of reach: {error}"),
        (None, true) => format!("the shared log has given no sign of life for {FRESH:?}"),
        (None, false) => "the shared log has not been read yet".to_owned(),
    };
    Some(NotReady {
        source: Some(plain.channel.name().to_owned()),
        upstream: None,
        reason: "log".to_owned(),
        detail,
    })
}
