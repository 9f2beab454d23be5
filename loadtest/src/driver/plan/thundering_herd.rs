//! The numbers of `thundering-herd`: hints that make every client fetch, and the small origin that
//! they fetch from.

use crate::source::changelog::{CONNECTIONS, SERVICE};
use crate::units::parse_duration;
use clap::Args;
use serde::Serialize;
use std::time::Duration;

/// What one run of the scenario does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct ThunderingHerd {
    /// Identical events of one volley.
    pub(crate) hints: u32,
    /// How long a volley takes.
    pub(crate) over: Duration,
    /// From one volley's beginning to the next one's, unless clients still fetch.
    pub(crate) every: Duration,
    pub(crate) volleys: u32,
    /// Requests that the origin serves at the same time.
    pub(crate) connections: usize,
    /// How long each of them takes.
    pub(crate) service: Duration,
    /// The relay's settings of these names; zero: off.
    pub(crate) coalesce: Duration,
    pub(crate) stagger: Duration,
}

/// Numbers on the command line that replace the scenario's own.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ThunderingHerdArgs {
    /// Identical events of one volley
    #[arg(long, help_heading = "thundering-herd")]
    hints: Option<u32>,
    /// How long a volley takes
    #[arg(long, value_parser = parse_duration, help_heading = "thundering-herd")]
    over: Option<Duration>,
    /// From one volley to the next
    #[arg(long, value_parser = parse_duration, help_heading = "thundering-herd")]
    every: Option<Duration>,
    /// Volleys
    #[arg(long, help_heading = "thundering-herd")]
    volleys: Option<u32>,
    /// Requests that the origin serves at the same time; more are refused
    #[arg(long, help_heading = "thundering-herd")]
    connections: Option<usize>,
    /// How long each of them takes
    #[arg(long, value_parser = parse_duration, help_heading = "thundering-herd")]
    service: Option<Duration>,
    /// The relay's coalesce, in the runs that have it
    #[arg(long, value_parser = parse_duration, help_heading = "thundering-herd")]
    coalesce: Option<Duration>,
    /// The relay's stagger, in the run that has it
    #[arg(long, value_parser = parse_duration, help_heading = "thundering-herd")]
    stagger: Option<Duration>,
}

impl ThunderingHerd {
    pub(super) fn of(quick: bool) -> Self {
        let pick = |full, small| Duration::from_millis(if quick { small } else { full });
        Self {
            hints: if quick { 5 } else { 20 },
            over: pick(200, 50),
            every: pick(10_000, 500),
            volleys: if quick { 2 } else { 3 },
            connections: CONNECTIONS,
            service: SERVICE,
            coalesce: pick(1_000, 200),
            stagger: pick(5_000, 500),
        }
    }

    pub(super) fn with(mut self, over: &ThunderingHerdArgs) -> Self {
        super::overrides::put(&mut self.hints, over.hints);
        super::overrides::put(&mut self.over, over.over);
        super::overrides::put(&mut self.every, over.every);
        super::overrides::put(&mut self.volleys, over.volleys);
        super::overrides::put(&mut self.connections, over.connections);
        super::overrides::put(&mut self.service, over.service);
        super::overrides::put(&mut self.coalesce, over.coalesce);
        super::overrides::put(&mut self.stagger, over.stagger);
        self
    }

    /// Mistakes in the numbers, for people.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self { hints: 0, .. } | Self { volleys: 0, .. } => {
                Err("--hints and --volleys must be at least 1".to_owned())
            }
            Self { connections: 0, .. } => Err("--connections must be at least 1".to_owned()),
            _ => Ok(()),
        }
    }

    /// With the relay's settings off.
    pub(crate) fn plain(self) -> Self {
        Self {
            coalesce: Duration::ZERO,
            stagger: Duration::ZERO,
            ..self
        }
    }

    /// What a relay is run with, one after the other, and what each is called behind the relay's
    /// name.
    pub(crate) fn variants(self) -> Vec<(&'static str, Self)> {
        let coalesce = Self {
            stagger: Duration::ZERO,
            ..self
        };
        let mut variants = vec![("", self.plain()), ("-coalesce", coalesce), ("-coalesce-stagger", self)];
        if self.stagger.is_zero() {
            variants.remove(2);
        }
        if self.coalesce.is_zero() {
            variants.remove(1);
        }
        variants
    }

    /// Hints in a row of which a client needs only one.
    pub(crate) fn repeats(self) -> u32 {
        if self.coalesce.is_zero() { 1 } else { self.hints }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_run_without_then_with_its_settings() {
        let herd = ThunderingHerd::of(true);
        let variants = herd.variants();
        let settings: Vec<_> = variants
            .iter()
            .map(|(name, herd)| (*name, herd.coalesce.is_zero(), herd.stagger.is_zero(), herd.repeats()))
            .collect();
        assert_eq!(
            settings,
            [
                ("", true, true, 1),
                ("-coalesce", false, true, 5),
                ("-coalesce-stagger", false, false, 5)
            ]
        );
        let coalesce = Duration::ZERO;
        assert_eq!(ThunderingHerd { coalesce, ..herd }.variants()[1].0, "-coalesce-stagger");
        assert_eq!(herd.plain().variants().len(), 1);
    }
}
