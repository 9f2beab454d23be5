//! Rounds of trials over several servers, in turn: what disturbs the machine for a while disturbs
//! them all.

use super::comparison::{Comparison, Standing};
use super::metrics::Values;
use super::plan::{Plan, Scenario};
use super::relate;
use super::server::Server;
use super::trial::{self, Bench};
use crate::display::Display;
use anyhow::{Context, Result};

/// A server that takes part, and the plan it is to run.
#[derive(Debug, Clone)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    server: Server,
    plan: Plan,
}

impl Entrant {
    /// Each server with the plan, and behind it what the plan's numbers only mean something
    /// against.
    pub(crate) fn all(servers: &[Server], plan: &Plan) -> Vec<Self> {
        let mut all = Vec::new();
        for server in servers {
            if plan.scenario == Scenario::Jobs {
                all.push(Entrant {
                    name: relate::one_stream(server.name()),
                    server: server.clone(),
                    plan: plan.as_one_stream(),
                });
            }
            let mut push = |suffix: &str, plan: Plan| {
                all.push(Entrant {
                    name: format!("{}{suffix}", server.name()),
                    server: server.clone(),
                    plan,
                });
            };
            match plan.thundering_herd {
                None => push("", plan.clone()),
                Some(herd) => {
                    let variants = match server {
                        Server::Fanfare => herd.variants(),
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
pub(crate) fn run(
    entrants: &[Entrant],
    plan: &Plan,
    rounds: usize,
    bench: &Bench,
    display: &Display,
) -> Result<Comparison> {
    let mut standings: Vec<Standing> = entrants
        .iter()
        .map(|entrant| Standing {
            server: entrant.name.clone(),
            // Without the scenario its one-stream variant has nothing to be compared with.
            left_out: entrant.server.cannot(plan).map(str::to_owned),
            rounds: Vec::new(),
            median: Values::default(),
        })
        .collect();
    for _ in 0..rounds {
        for (entrant, standing) in entrants.iter().zip(&mut standings) {
            if standing.left_out.is_none() {
                let mut outcome = trial::run(&entrant.server, &entrant.plan, bench, display)
                    .with_context(|| format!("{} against {}", plan.scenario.name(), entrant.name))?;
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
    Ok(Comparison {
        plan: plan.clone(),
        standings,
    })
}
