//! The outcomes of several servers side by side.

use super::metrics::Values;
use super::outcome::Outcome;
use super::plan::Plan;

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
