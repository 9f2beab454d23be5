//! What the dashboard is told: `/status` in small, once for all who look.

use super::history::{self, History};
use crate::metrics::{ProcessNumbers, SourceTotals, Totals};
use crate::status::{
    LimitsStatus, NotReady, Readiness, ReloadStatus, SourceState, SourceStatus, Status, UpgradeStatus,
};
use serde::Serialize;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The first screen, and the table of sources.
#[derive(Serialize)]
struct Overview<'a> {
    /// When, in milliseconds since the epoch.
    at: u64,
    version: &'a str,
    uptime_seconds: f64,
    ready: bool,
    draining: bool,
    reasons: &'a [NotReady],
    clients: u64,
    limits: LimitsStatus,
    process: ProcessNumbers,
    totals: Totals,
    /// What of the totals has come within the last `hour_seconds`, which are an hour at the most.
    hour: Totals,
    hour_seconds: f64,
    reload: Option<&'a ReloadStatus>,
    upgrade: Option<&'a UpgradeStatus>,
    not_in_force: &'a [&'static str],
    sources: Vec<Row<'a>>,
}

/// A source's row.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    state: SourceState,
    required: bool,
    clients: u64,
    channels: u64,
    events: u64,
    deliveries: u64,
    /// Evictions and gaps, over all reasons.
    evictions: u64,
    gaps: u64,
    lag_p99: u64,
    lag_max: u64,
    /// Since the newest event.
    age_seconds: Option<f64>,
    /// Of an upstream that is not connected.
    trouble: Option<String>,
}

/// One source, with everything that is known.
#[derive(Serialize)]
struct Detail<'a> {
    source: &'a SourceStatus,
    points: Vec<[f32; 2]>,
    point_seconds: u64,
}

/// The first screen, as JSON in one line.
pub(super) fn overview(status: &Status, readiness: &Readiness, history: &History, at: Instant) -> String {
    let (hour, hour_length) = history.last_hour(&status.totals, at);
    let overview = Overview {
        at: milliseconds(),
        version: status.version,
        uptime_seconds: status.uptime_seconds,
        ready: readiness.is_ready(),
        draining: status.draining,
        reasons: &readiness.reasons,
        clients: status.clients,
        limits: status.limits,
        process: status.process,
        totals: status.totals,
        hour,
        hour_seconds: hour_length.as_secs_f64(),
        reload: status.reload.as_ref(),
        upgrade: status.upgrade.as_ref(),
        not_in_force: &status.not_in_force,
        sources: status.sources.iter().map(row).collect(),
    };
    json(&overview)
}

/// One source, as JSON in one line; `null`: there is none of this name.
pub(super) fn detail(status: &Status, name: &str, history: &History) -> String {
    let source = status.sources.iter().find(|source| source.name == name);
    let detail = source.map(|source| Detail {
        source,
        points: history.source(name),
        point_seconds: history::source_points_every().as_secs(),
    });
    json(&detail)
}

/// As JSON, which has no line breaks of its own in this form.
pub(super) fn json(value: &impl Serialize) -> String {
    // Only maps with keys that are no text, and foreign errors, can't be written.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

fn row(source: &SourceStatus) -> Row<'_> {
    let SourceTotals {
        events_received,
        deliveries,
        evictions,
        gaps,
        ..
    } = &source.totals;
    Row {
        name: &source.name,
        state: source.state,
        required: source.required,
        clients: source.clients.total(),
        channels: source.channels,
        events: *events_received,
        deliveries: *deliveries,
        evictions: evictions.iter().sum(),
        gaps: gaps.iter().sum(),
        lag_p99: source.lag.events.p99,
        lag_max: source.lag.events.max,
        age_seconds: source.head.as_ref().map(|head| head.age_seconds),
        trouble: trouble(source),
    }
}

/// Why a source is not as it should be, in a line.
fn trouble(source: &SourceStatus) -> Option<String> {
    if !matches!(
        source.state,
        SourceState::Away | SourceState::Partial | SourceState::Connecting
    ) {
        return None;
    }
    let failed = source
        .upstreams
        .iter()
        .filter(|upstream| upstream.state != crate::status::UpstreamState::Connected)
        .find_map(|upstream| upstream.last_error.as_ref())?;
    Some(format!("{}: {}", failed.reason, failed.detail))
}

fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
