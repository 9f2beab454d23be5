//! What the scenario doesn't expect is a failure.

use crate::driver::outcome::Outcome;
use crate::driver::plan::Scenario;
use crate::driver::source::Stopped;
use crate::driver::summary::Summary;

/// Decides which of the numbers are failures of this scenario.
#[expect(
    clippy::too_many_lines,
    reason = "one list of all that no scenario, or not this one, expects"
)]
pub(super) fn judge(outcome: &mut Outcome, summary: &Summary, stopped: &Stopped, live: u64) {
    let (plan, counts) = (outcome.plan.clone(), &summary.counts);
    let floor = stopped.skipped > 0;
    if floor {
        outcome.values.set("skipped", stopped.skipped as f64);
        outcome.warnings.push(format!(
            "the floor skipped {} writes to full sockets: it loses events by design",
            stopped.skipped
        ));
    }
    let mut fail = |happened: bool, text: String| {
        if happened {
            outcome.failures.push(text);
        }
    };
    fail(counts.lost > 0 && !floor, format!("{} events lost", counts.lost));
    fail(
        counts.other > 0,
        format!(
            "{} events without the origin's stamp, which can't be checked",
            counts.other
        ),
    );
    summary.wrong().into_iter().for_each(|text| fail(true, text));
    let slow = plan.slow_share > 0.0;
    // A gap event accounts for what a burst was too much for.
    let burst = plan.scenario == Scenario::Burst;
    fail(
        counts.gap_lost > 0 && !slow && !burst,
        format!("{} events missing by gap events", counts.gap_lost),
    );
    fail(
        summary.refused > 0,
        format!(
            "{} refused connections, by status: {}",
            summary.refused,
            summary.describe_statuses()
        ),
    );
    let cut = outcome.values.get("stalled_ended").unwrap_or(0.0);
    let ended = outcome.values.get("ended_by_server").unwrap_or(0.0) - cut;
    let evicted = outcome.values.get("evicted").unwrap_or(0.0);
    let over = outcome.values.get("over").unwrap_or(0.0);
    let mut fail = |happened: bool, text: String| {
        if happened {
            outcome.failures.push(text);
        }
    };
    let jobs = plan.scenario == Scenario::Jobs;
    fail(
        ended > 0.0 && !jobs && !slow && !burst,
        format!("{ended} streams ended by the server"),
    );
    fail(
        jobs && over as usize != plan.clients,
        format!(
            "{over} of {} clients were told by 204 that their stream is over",
            plan.clients
        ),
    );
    let unheard = plan.is_steady() && plan.events_per_second > 0.0 && counts.delivered == 0;
    fail(unheard, "no event arrived".to_owned());
    let short = evicted.min(cut) < plan.clients as f64;
    fail(
        plan.scenario == Scenario::EvictStorm && short,
        format!(
            "{evicted} of {} stalled clients evicted, {cut} streams ended",
            plan.clients
        ),
    );
    let readers = match plan.scenario {
        Scenario::EvictStorm => 0,
        _ => (plan.clients as f64 * (1.0 - plan.stalled_share - plan.slow_share)) as u64,
    };
    let expected_live = readers + plan.healthy as u64;
    fail(live < expected_live && !jobs, format!("{live} clients live at the end"));
}
