//! Hints make every client fetch something from the origin: what does the origin see?

use super::{CATCH_UP_TIMEOUT, SETTLE, Trial};
use crate::clock::now_ns;
use crate::control::Fetched;
use crate::driver::latencies::millis;
use crate::driver::outcome::Outcome;
use crate::driver::plan::ThunderingHerd;
use crate::driver::source::Stopped;
use crate::rate::Series;
use crate::swarm::window::{add_encoded, histogram};
use anyhow::Result;
use std::time::{Duration, Instant};

/// Connections for fetches that the swarm has open at one time: as many as wait in the origin's
/// accept queue without the kernel dropping any. How many more there would be is in the rate at
/// which they are asked for.
pub(super) const FETCHES_AT_ONCE: usize = 4_000;
/// How long the swarm may hold fetches back before the report says so.
const HELD_MS_MAX: f64 = 100.0;

impl Trial<'_> {
    /// Volleys of hints, each until the last client has its answer.
    pub(super) fn thundering_herd(&mut self, herd: &ThunderingHerd) -> Result<()> {
        self.connect(self.plan.clients)?;
        self.hold("settling", SETTLE)?;
        self.measure(|trial| {
            let mut longest = Duration::ZERO;
            for volley in 1..=u64::from(herd.volleys) {
                let (begun, begun_ns) = (Instant::now(), now_ns());
                trial.running.source.volley(u64::from(herd.hints), herd.over)?;
                if !trial.await_event(volley * u64::from(herd.hints), CATCH_UP_TIMEOUT)? {
                    trial.fail(format!("some clients have no hint of volley {volley}"));
                    return Ok(());
                }
                let until = Instant::now() + CATCH_UP_TIMEOUT;
                if !trial.watch("clients fetch", until, |tick| tick.fetching == 0)? {
                    trial.fail(format!(
                        "fetches of volley {volley} are not over after {CATCH_UP_TIMEOUT:?}"
                    ));
                    return Ok(());
                }
                let taken = trial.fleet.tick().fetched_ns.saturating_sub(begun_ns);
                longest = longest.max(Duration::from_nanos(taken));
                if volley < u64::from(herd.volleys) {
                    trial.hold("until the next volley", herd.every.saturating_sub(begun.elapsed()))?;
                }
            }
            trial
                .outcome
                .values
                .set("first_hint_to_last_answer_s", longest.as_secs_f64());
            Ok(())
        })
    }

    fn fail(&mut self, text: String) {
        self.outcome.failures.push(text);
    }
}

/// Puts in what clients asked for, and what the origin saw of it.
pub(super) fn report(outcome: &mut Outcome, fetched: &[&Fetched], stopped: &Stopped, delivered: u64) {
    let mut rate = Series::default();
    let (mut latency, mut held) = (histogram(), histogram());
    for fetched in fetched {
        rate.add(&fetched.rate);
        add_encoded(&mut latency, &fetched.latency);
        add_encoded(&mut held, &fetched.held);
    }
    let sum = |value: fn(&Fetched) -> u64| fetched.iter().map(|fetched| value(fetched)).sum::<u64>();
    let (asked, served) = (sum(|fetched| fetched.asked), sum(|fetched| fetched.served));
    let (refused, failed) = (sum(|fetched| fetched.refused), sum(|fetched| fetched.failed));
    let origin = stopped.changelog.unwrap_or_default();
    let values = &mut outcome.values;
    for (name, value) in [
        ("fetches", asked),
        ("fetches_peak_per_s", rate.peak_per_second()),
        ("fetches_peak_of_100ms_per_s", rate.peak_of_slot_per_second()),
        ("origin_peak_per_s", origin.peak_per_s),
        ("origin_peak_of_100ms_per_s", origin.peak_of_100ms_per_s),
        ("origin_at_once_max", origin.at_once_max),
        ("origin_served", origin.served),
        ("origin_refused", origin.refused),
    ] {
        values.set(name, value as f64);
    }
    values.set("hints_per_client", delivered as f64 / outcome.plan.clients as f64);
    if !latency.is_empty() {
        for (name, percentile) in [("fetch_p50_ms", 50.0), ("fetch_p99_ms", 99.0), ("fetch_max_ms", 100.0)] {
            values.set(name, millis(&latency, percentile));
        }
        values.set("fetch_held_p99_ms", millis(&held, 99.0));
    }
    if millis(&held, 99.0) > HELD_MS_MAX {
        outcome.warnings.push(format!(
            "clients fetch faster than this machine makes connections: the rate at which they ask is what an origin would \
             see (fetch_held_p99_ms {:.0})",
            millis(&held, 99.0)
        ));
    }
    for failure in wrong(delivered, asked, [served, refused, failed], origin.requests) {
        outcome.failures.push(failure);
    }
    if let Some(error) = fetched.iter().find_map(|fetched| fetched.first_error.as_ref()) {
        outcome.warnings.push(format!("the first fetch that failed: {error}"));
    }
}

/// What doesn't add up: each event is one fetch, each fetch has one end, and each is a request at
/// the origin.
fn wrong(delivered: u64, asked: u64, [served, refused, failed]: [u64; 3], requests: u64) -> Vec<String> {
    let over = served + refused + failed;
    let wrong = [
        (delivered == 0, "no hint arrived".to_owned()),
        (
            asked != delivered,
            format!("{delivered} events made clients fetch {asked} times"),
        ),
        (over != asked, format!("{over} of {asked} fetches are over")),
        (failed > 0, format!("{failed} fetches failed")),
        (
            requests != served + refused,
            format!("{} fetches had an end, and the origin saw {requests}", served + refused),
        ),
    ];
    wrong
        .into_iter()
        .filter(|(wrong, _)| *wrong)
        .map(|(_, text)| text)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_add_up_is_a_failure() {
        assert!(wrong(100, 100, [60, 40, 0], 100).is_empty());
        assert_eq!(wrong(100, 90, [60, 40, 0], 100).len(), 2);
        assert_eq!(wrong(100, 100, [60, 30, 0], 90).len(), 1);
        assert_eq!(wrong(100, 100, [60, 39, 1], 99).len(), 1);
        assert_eq!(wrong(100, 100, [60, 40, 0], 98).len(), 1);
        assert_eq!(wrong(0, 0, [0, 0, 0], 0), ["no hint arrived"]);
    }
}
