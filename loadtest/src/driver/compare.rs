//! Rounds of trials over several servers, in turn: what disturbs the machine for a while disturbs
//! them all.

use super::comparison::{Comparison, Standing};
use super::metrics::Values;
use super::outcome::Outcome;
use super::plan::{Plan, Scenario};
use super::relate;
use super::server::{Programs, Server};
use super::trial::{self, Bench};
use crate::display::Display;

/// A server that takes part, and the plan it is to run.
#[derive(Debug, Clone)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    server: Server,
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

    /// Each server with the plan, and behind it what the plan's numbers only mean something
    /// against.
    pub(crate) fn all(servers: &[Server], plan: &Plan) -> Vec<Self> {
        let mut all = Vec::new();
        for server in servers {
            // Without the scenario its variants have nothing to be compared with.
            let left_out = server.cannot(plan).map(str::to_owned);
            if plan.scenario == Scenario::Jobs {
                all.push(Entrant {
                    name: relate::one_stream(server.name()),
                    server: server.clone(),
                    plan: plan.as_one_stream(),
                    left_out: left_out.clone(),
                });
            }
            let mut push = |suffix: &str, plan: Plan| {
                all.push(Entrant {
                    name: format!("{}{suffix}", server.name()),
                    server: server.clone(),
                    plan,
                    left_out: left_out.clone(),
                });
            };
            match plan.thundering_herd {
                None => push("", plan.clone()),
                Some(herd) => {
                    let variants = match server {
                        Server::Fanfare | Server::Before => herd.variants(),
                        // They have no such settings.
                        _ => vec![("", herd.plain())],
                    };
                    for (suffix, herd) in variants {
                        let thundering_herd = Some(herd);
                        push(
                            suffix,
                            Plan {
                                thundering_herd,
                                ..plan.clone()
                            },
                        );
                    }
                }
            }
        }
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
                let mut outcome = trial::run(&entrant.server, &entrant.plan, bench, display)
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
