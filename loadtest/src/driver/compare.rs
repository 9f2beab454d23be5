//! Rounds of trials over several servers, in turn: what disturbs the machine for a while disturbs them all.

use super::metrics::Values;
use super::outcome::Outcome;
use super::plan::{Plan, Scenario};
use super::relate;
use super::server::Server;
use super::trial::{self, Bench};
use crate::display::Display;
use anyhow::{Context, Result};

/// Who takes part, and what it is to do.
#[derive(Debug, Clone)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    server: Server,
    plan: Plan,
}

impl Entrant {
    /// Each server with the plan, and behind it what the plan's numbers only mean something against.
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
            match plan.herd {
                None => push("", plan.clone()),
                Some(herd) => {
                    let variants = match server {
                        Server::Fanfare => herd.variants(),
                        // They have no such settings.
                        _ => vec![("", herd.plain())],
                    };
                    for (suffix, herd) in variants {
                        let herd = Some(herd);
                        push(suffix, Plan { herd, ..plan.clone() });
                    }
                }
            }
        }
        all
    }
}

/// One entrant over all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) server: String,
    /// Why it took no part.
    pub(crate) left_out: Option<String>,
    pub(crate) rounds: Vec<Outcome>,
    /// For each number the median of the rounds.
    pub(crate) median: Values,
}

/// One scenario over all servers.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) plan: Plan,
    pub(crate) standings: Vec<Standing>,
}

/// Lets all take part in turn, `rounds` times. A server that can't do what its plan asks is left out.
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
            // Whoever can't do the scenario has nothing to be compared with either.
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

impl Comparison {
    /// All failures of all rounds, each with its server.
    pub(crate) fn failures(&self) -> Vec<String> {
        let name = self.plan.scenario.name();
        let of = |standing: &Standing| -> Vec<String> {
            let all = standing.rounds.iter().flat_map(|outcome| &outcome.failures);
            all.map(|failure| format!("{name}, {}: {failure}", standing.server))
                .collect()
        };
        self.standings.iter().flat_map(of).collect()
    }

    /// All warnings; one that several rounds gave is said once, with the numbers of the first.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let kind = |text: &str| text.split(" (").next().unwrap_or_default().to_owned();
        let mut all: Vec<String> = Vec::new();
        for standing in &self.standings {
            for warning in standing.rounds.iter().flat_map(|outcome| &outcome.warnings) {
                let text = format!("{}: {warning}", standing.server);
                if !all.iter().any(|other| kind(other) == kind(&text)) {
                    all.push(text);
                }
            }
        }
        all
    }
}
