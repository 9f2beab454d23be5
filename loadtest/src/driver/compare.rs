//! Rounds of trials over several servers, in turn: what disturbs the machine for a while disturbs them all.

use super::metrics::Values;
use super::outcome::Outcome;
use super::plan::Plan;
use super::server::Server;
use super::trial::{self, Bench};
use crate::display::Display;
use anyhow::{Context, Result};

/// One server over all rounds.
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

/// Runs `plan` against each server, `rounds` times. A server that can't do what the plan asks is left out.
pub(crate) fn run(
    servers: &[Server],
    plan: &Plan,
    rounds: usize,
    bench: &Bench,
    display: &Display,
) -> Result<Comparison> {
    let mut standings: Vec<Standing> = servers
        .iter()
        .map(|server| Standing {
            server: server.name().to_owned(),
            left_out: server.cannot(plan).map(str::to_owned),
            rounds: Vec::new(),
            median: Values::default(),
        })
        .collect();
    for _ in 0..rounds {
        for (server, standing) in servers.iter().zip(&mut standings) {
            if standing.left_out.is_none() {
                let outcome = trial::run(server, plan, bench, display)
                    .with_context(|| format!("{} against {}", plan.scenario.name(), server.name()))?;
                standing.rounds.push(outcome);
            }
        }
    }
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
