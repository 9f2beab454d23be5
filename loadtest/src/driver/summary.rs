//! What the swarm's counts say about a server.

use crate::tally::Counts;

/// What decides over failure.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) counts: Counts,
    pub(crate) refused: u64,
    /// Clients whose refusal doesn't heal.
    pub(crate) given_up: u64,
    pub(crate) broken: u64,
    pub(crate) statuses: Vec<(u16, u64)>,
}

impl Summary {
    /// What no server may do to its events and streams, whatever the scenario.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let counts = &self.counts;
        let wrong = [
            (counts.doubled, "events doubled"),
            (counts.disordered, "events out of order"),
            (counts.strayed, "events in the wrong stream"),
            (counts.torn, "events incomplete"),
            (counts.wrong_ids, "events with an id that is not above the one before"),
            (self.broken, "streams broken"),
        ];
        let mut wrong: Vec<String> = wrong
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if self.given_up > 0 {
            wrong.push(format!(
                "{} clients gave up: an answer with this status doesn't get better by asking again: {}",
                self.given_up,
                self.describe_statuses()
            ));
        }
        wrong
    }

    /// `404 (2 times)`
    pub(crate) fn describe_statuses(&self) -> String {
        let times = |(status, count): &(u16, u64)| match status {
            200 => format!("200 without an event stream ({count} times)"),
            _ => format!("{status} ({count} times)"),
        };
        self.statuses.iter().map(times).collect::<Vec<_>>().join(", ")
    }
}
