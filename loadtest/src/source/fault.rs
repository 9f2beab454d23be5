//! Scripted faults of the origin: what it does to its connections, and when.

use crate::clock::{SECOND_NS, ns};
use crate::units::parse_duration;

/// One fault, relative to the origin's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) from_ns: u64,
    pub(crate) until_ns: u64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Every connection is cut in the middle of an event, once.
    Die,
    /// Nothing is written.
    Silence,
    /// New requests are answered with this status, and open streams are cut at the beginning.
    Status(u16),
    /// Bytes come one by one, [`TRICKLE_BYTES_PER_SECOND`].
    Trickle,
}

/// Speed of a trickle.
pub(crate) const TRICKLE_BYTES_PER_SECOND: u64 = 500;

impl std::str::FromStr for Fault {
    type Err = String;

    /// `die@5s`, `silence@10s+3s`, `503@20s+2s`, `trickle@30s+5s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let usage =
            || format!("{text:?} is not KIND@AFTER+FOR, as in die@5s, silence@10s+3s, 503@20s+2s, trickle@30s+5s");
        let (kind, when) = text.split_once('@').ok_or_else(usage)?;
        let (from, length) = when.split_once('+').unwrap_or((when, "0s"));
        let kind = match kind {
            "die" => Kind::Die,
            "silence" => Kind::Silence,
            "trickle" => Kind::Trickle,
            status => match status.parse() {
                Ok(status @ 300..=599) => Kind::Status(status),
                _ => return Err(usage()),
            },
        };
        let from_ns = ns(parse_duration(from).map_err(|_| usage())?);
        let length_ns = ns(parse_duration(length).map_err(|_| usage())?);
        if (kind == Kind::Die) != (length_ns == 0) {
            return Err(usage());
        }
        Ok(Fault {
            kind,
            from_ns,
            until_ns: from_ns + length_ns,
        })
    }
}

/// The faults of a run, and which of them have happened.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    faults: Vec<Fault>,
    start_ns: u64,
    /// Ends of time that were reached: below it a `die` or the cut of a status fault has happened.
    done_ns: u64,
}

impl Script {
    pub(crate) fn new(faults: Vec<Fault>, start_ns: u64) -> Self {
        Self {
            faults,
            start_ns,
            done_ns: 0,
        }
    }

    /// Whether nothing may be written now.
    pub(crate) fn silent(&self, now_ns: u64) -> bool {
        self.active(now_ns, |kind| kind == Kind::Silence).is_some()
    }

    /// Whether bytes trickle now.
    pub(crate) fn trickling(&self, now_ns: u64) -> bool {
        self.active(now_ns, |kind| kind == Kind::Trickle).is_some()
    }

    /// The status that requests get now.
    pub(crate) fn status(&self, now_ns: u64) -> Option<u16> {
        match self.active(now_ns, |kind| matches!(kind, Kind::Status(_)))?.kind {
            Kind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether connections are to be cut now: once for each fault that does so.
    pub(crate) fn cut(&mut self, now_ns: u64) -> bool {
        let now = now_ns.saturating_sub(self.start_ns);
        let cut = self
            .faults
            .iter()
            .filter(|fault| matches!(fault.kind, Kind::Die | Kind::Status(_)))
            .any(|fault| (self.done_ns..=now).contains(&fault.from_ns));
        self.done_ns = now + 1;
        cut
    }

    /// How often the origin must look at the script: each 10 ms while there are faults, else each
    /// second.
    pub(crate) fn tick_ns(&self) -> u64 {
        if self.faults.is_empty() {
            SECOND_NS
        } else {
            SECOND_NS / 100
        }
    }

    fn active(&self, now_ns: u64, wanted: impl Fn(Kind) -> bool) -> Option<&Fault> {
        let now = now_ns.saturating_sub(self.start_ns);
        self.faults
            .iter()
            .find(|fault| wanted(fault.kind) && (fault.from_ns..fault.until_ns).contains(&now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read() {
        let fault = |kind, from, until| Fault {
            kind,
            from_ns: from * SECOND_NS,
            until_ns: until * SECOND_NS,
        };
        assert_eq!("die@5s".parse(), Ok(fault(Kind::Die, 5, 5)));
        assert_eq!("503@20s+2s".parse(), Ok(fault(Kind::Status(503), 20, 22)));
        for wrong in ["", "die", "die@5s+1s", "silence@1s", "200@1s+1s", "flood@1s+1s"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_cut_happens_once() {
        let faults = vec!["die@1s".parse().expect("valid"), "503@2s+1s".parse().expect("valid")];
        let mut script = Script::new(faults, 0);
        let cuts: Vec<bool> = (0..8).map(|half| script.cut(half * SECOND_NS / 2)).collect();
        assert_eq!(cuts, [false, false, true, false, true, false, false, false]);
        assert_eq!(script.status(2 * SECOND_NS), Some(503));
        assert_eq!(script.status(3 * SECOND_NS), None);
    }
}
