//! Rounds of trials over several servers, in turn: what disturbs the machine for a while disturbs
//! them all.

use super::comparison::{Comparison, Standing};
use super::contender::Contender;
use super::metrics::Values;
use super::outcome::Outcome;
use super::plan::{Plan, Scenario, ThunderingHerd};
use super::relate;
use super::server::{Programs, Server};
use super::trial::{self, Bench};
use super::wire::Wire;
use crate::display::Display;

/// A server that takes part, and the plan it is to run.
#[derive(Debug, Clone)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    server: Server,
    wire: Wire,
    plan: Plan,
    /// Why it is not measured, if so.
    left_out: Option<String>,
}

impl Entrant {
    /// Leaves out those whose programs are not there.
    pub(crate) fn leave_out_missing(all: &mut [Self], programs: &Programs) {
        for entrant in all {
            let missing = || entrant.server.missing(programs).map(|error| format!("{error:#}"));
            entrant.left_out = entrant.left_out.take().or_else(missing);
        }
    }

    /// Each contender with the plan, and behind it what the plan's numbers only mean something
    /// against. Where neither it nor the scenario says what clients speak, they speak `wire`.
    pub(crate) fn all(contenders: &[Contender], plan: &Plan, wire: Wire) -> Vec<Self> {
        let in_scenario = contenders
            .iter()
            .flat_map(|contender| contender.in_scenario(plan.scenario));
        in_scenario
            .flat_map(|contender| Self::with_variants(&contender, plan, wire))
            .collect()
    }

    fn with_variants(contender: &Contender, plan: &Plan, wire: Wire) -> Vec<Self> {
        let (server, own_name) = (&contender.server, contender.name());
        let wire = contender.wire.unwrap_or(wire);
        // Without the scenario its variants have nothing to be compared with.
        let left_out = server.cannot(plan, wire).map(str::to_owned);
        let entrant = |name: String, plan: Plan| Entrant {
            name,
            server: server.clone(),
            wire,
            plan,
            left_out: left_out.clone(),
        };
        if let Some(herd) = plan.thundering_herd {
            let variants = match server {
                Server::Fanfare | Server::Before => herd.variants(),
                // They have no such settings.
                _ => vec![("", herd.plain())],
            };
            let with = |(suffix, herd): (&str, ThunderingHerd)| {
                let thundering_herd = Some(herd);
                let plan = Plan {
                    thundering_herd,
                    ..plan.clone()
                };
                entrant(format!("{own_name}{suffix}"), plan)
            };
            return variants.into_iter().map(with).collect();
        }
        let mut all = Vec::new();
        if plan.scenario == Scenario::Jobs {
            all.push(entrant(relate::one_stream(&own_name), plan.as_one_stream()));
        }
        all.push(entrant(own_name, plan.clone()));
        all
    }
}

/// Lets all take part in turn, `rounds` times. A server that can't do what its plan asks is left
/// out.
pub(crate) fn run(entrants: &[Entrant], plan: &Plan, rounds: usize, bench: &Bench, display: &Display) -> Comparison {
    let mut standings: Vec<Standing> = entrants
        .iter()
        .map(|entrant| Standing {
            server: entrant.name.clone(),
            left_out: entrant.left_out.clone(),
            rounds: Vec::new(),
            median: Values::default(),
        })
        .collect();
    for _ in 0..rounds {
        for (entrant, standing) in entrants.iter().zip(&mut standings) {
            if standing.left_out.is_none() {
                // A trial that fails is a failure of the report: the others keep their numbers.
                let mut outcome = trial::run(&entrant.server, entrant.wire, &entrant.plan, bench, display)
                    .unwrap_or_else(|error| Outcome::failed(&entrant.name, &entrant.plan, &error));
                outcome.server.clone_from(&entrant.name);
                standing.rounds.push(outcome);
            }
        }
    }
    relate::relate(&mut standings);
    for standing in &mut standings {
        let values: Vec<Values> = standing.rounds.iter().map(|outcome| outcome.values.clone()).collect();
        standing.median = Values::median(&values);
    }
    Comparison {
        plan: plan.clone(),
        standings,
    }
}
