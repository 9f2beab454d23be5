//! Conditions on the numbers: `p99_ms>50` fails a run.

use crate::driver::comparison::{Comparison, Standing};
use crate::driver::metrics::{self, Metric};
use std::str::FromStr;

/// One condition that makes a run fail.
#[derive(Debug, Clone)]
pub(crate) struct Threshold {
    text: String,
    metric: &'static Metric,
    above: bool,
    inclusive: bool,
    limit: Limit,
    /// Only for this server.
    server: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Limit {
    Value(f64),
    /// So many times what another server has.
    Times(f64, String),
}

impl FromStr for Threshold {
    type Err = String;

    /// `NAME OP LIMIT` with OP `>`, `>=`, `<` or `<=`; before it `SERVER:`; the limit a number, or
    /// `1.1xSERVER`.
    fn from_str(text: &str) -> Result<Self, String> {
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| format!("{text:?}: a condition looks like p99_ms>50"))?;
        let (name, rest) = text.split_at(at);
        let above = rest.starts_with('>');
        let inclusive = rest[1..].starts_with('=');
        let limit = rest[1 + usize::from(inclusive)..].trim();
        let (server, name) = match name.split_once(':') {
            Some((server, name)) => (Some(server.trim().to_owned()), name.trim()),
            None => (None, name.trim()),
        };
        let metric = metrics::find(name).ok_or_else(|| {
            let names: Vec<&str> = metrics::METRICS.iter().map(|metric| metric.name).collect();
            format!("{name:?} is not a number of the report; there are {}", names.join(", "))
        })?;
        let number = |text: &str| {
            text.trim()
                .parse::<f64>()
                .map_err(|_| format!("{text:?} is not a number"))
        };
        let limit = match limit.split_once('x') {
            Some((times, other)) => Limit::Times(number(times)?, other.trim().to_owned()),
            None => Limit::Value(number(limit)?),
        };
        Ok(Self {
            text: text.to_owned(),
            metric,
            above,
            inclusive,
            limit,
            server,
        })
    }
}

/// What a condition found for one server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) scenario: String,
    pub(crate) server: String,
    /// As on the command line.
    pub(crate) condition: String,
    /// What was measured against which limit, for people.
    pub(crate) found: String,
    pub(crate) holds: Holds,
}

/// Whether the run is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    /// Nothing was measured that it is about: that is no failure.
    NotMeasured,
}

impl Threshold {
    /// What it finds, of every server that is meant. A number that wasn't measured can't be wrong, but
    /// one that the run would have measured and can't know is: it fails.
    pub(crate) fn verdicts(&self, comparison: &Comparison) -> Vec<Verdict> {
        let meant = comparison
            .standings
            .iter()
            .filter(|standing| match (&self.server, &self.limit) {
                _ if standing.left_out.is_some() => false,
                (Some(server), _) => *server == standing.server,
                (None, Limit::Times(_, other)) => *other != standing.server,
                (None, Limit::Value(_)) => true,
            });
        meant.map(|standing| self.verdict(comparison, standing)).collect()
    }

    /// What it finds wrong.
    pub(crate) fn failures(&self, comparison: &Comparison) -> Vec<String> {
        let wrong = self.verdicts(comparison).into_iter();
        wrong
            .filter(|verdict| verdict.holds == Holds::No)
            .map(|verdict| {
                let Verdict {
                    scenario,
                    server,
                    condition,
                    found,
                    ..
                } = verdict;
                format!("{scenario}, {server}: {condition} ({found})")
            })
            .collect()
    }

    fn verdict(&self, comparison: &Comparison, standing: &Standing) -> Verdict {
        let limit = match &self.limit {
            Limit::Value(limit) => Some(*limit),
            Limit::Times(times, other) => comparison
                .standings
                .iter()
                .find(|standing| standing.server == *other)
                .and_then(|standing| standing.median.get(self.metric.name))
                .map(|value| value * times),
        };
        let (found, holds) = match (standing.median.get(self.metric.name), limit) {
            (Some(value), Some(limit)) => {
                let over = if self.above { value > limit } else { value < limit };
                let fails = over || self.inclusive && value == limit;
                let text = format!(
                    "{} against {} {}",
                    self.metric.format(value),
                    self.metric.format(limit),
                    self.metric.unit
                );
                (text.trim_end().to_owned(), if fails { Holds::No } else { Holds::Yes })
            }
            (None, _) if standing.median.is_unknown(self.metric.name) => {
                let why = match self.metric.name {
                    name if metrics::CHECKED.contains(&name) => "not known: no event could be checked",
                    name if metrics::OF_PROCESSES.contains(&name) => {
                        "not known: name the server's processes with --pid"
                    }
                    _ => "not known",
                };
                (why.to_owned(), Holds::No)
            }
            _ => ("not measured".to_owned(), Holds::NotMeasured),
        };
        Verdict {
            scenario: comparison.plan.scenario.name(),
            server: standing.server.clone(),
            condition: self.text.clone(),
            found,
            holds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::metrics::Values;
    use crate::driver::plan::{Plan, Scenario};

    fn comparison() -> Comparison {
        let standing = |server: &str, p99| {
            let mut median = Values::default();
            median.set("p99_ms", p99);
            Standing {
                server: server.to_owned(),
                left_out: None,
                rounds: Vec::new(),
                median,
            }
        };
        let plan = Plan::of(Scenario::Fanout, true);
        Comparison {
            plan,
            standings: vec![standing("fanfare", 11.0), standing("floor", 10.0)],
        }
    }

    #[test]
    fn conditions_are_judged_for_each_server() {
        let count = |text: &str| text.parse::<Threshold>().expect("valid").failures(&comparison()).len();
        assert_eq!(count("p99_ms>50"), 0);
        assert_eq!(count("p99_ms>5"), 2);
        assert_eq!(count("p99_ms >= 11"), 1);
        assert_eq!(count("fanfare:p99_ms<12"), 1);
        assert_eq!(count("p99_ms>1.05xfloor"), 1);
        assert_eq!(count("p99_ms>1.15xfloor"), 0);
        assert_eq!(count("p50_ms>0"), 0);
    }

    #[test]
    fn what_could_not_be_checked_meets_no_condition() {
        let mut comparison = comparison();
        let count =
            |comparison: &Comparison, text: &str| text.parse::<Threshold>().expect("valid").failures(comparison).len();
        assert_eq!(count(&comparison, "lost>0"), 0);
        comparison.standings[0].median.set_unknown(metrics::CHECKED);
        assert_eq!(count(&comparison, "lost>0"), 1);
        assert_eq!(count(&comparison, "p50_ms>0"), 0);
    }

    #[test]
    fn a_condition_says_what_it_found() {
        let verdicts = |text: &str| text.parse::<Threshold>().expect("valid").verdicts(&comparison());
        let found = verdicts("p99_ms>10.5");
        assert_eq!((found[0].holds, found[1].holds), (Holds::No, Holds::Yes));
        assert_eq!(found[1].found, "10.000 against 10.500 ms");
        assert_eq!(verdicts("fanfare:p50_ms>1")[0].holds, Holds::NotMeasured);
    }

    #[test]
    fn what_is_not_a_condition_is_refused() {
        for wrong in ["p99_ms", "p98_ms>1", "p99_ms>fast"] {
            assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
        }
    }
}
