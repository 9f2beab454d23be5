//! What a reload does about a key: for the table of keys, and held to what is done by a test of the
//! plan (`relay/reload/effects_tests.rs`).

/// What becomes of a change of a key while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is in force at once, also for clients that are connected.
    Live,
    /// Upstreams connect anew, and resume; clients stay.
    Reconnects,
    /// The source is another: its clients leave, and find the new one.
    Replaces,
    /// It is in force after a restart.
    Restart,
}

impl Effect {
    /// As the table of keys says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Reconnects => "reconnects",
            Self::Replaces => "replaces",
            Self::Restart => "restart",
        }
    }

    /// Of a key, by its path in the table of keys.
    pub fn of(key: &str) -> Self {
        let of_source = key.strip_prefix("sources.NAME.");
        match (key, of_source) {
            ("admin" | "workers" | "handover", _) => Self::Restart,
            (key, None) if key == "fleet" || key.starts_with("fleet.") => Self::Restart,
            (_, Some("path" | "ids" | "fleet" | "log.history" | "log.history.events" | "log.history.age")) => {
                Self::Replaces
            }
            (key, None) if key.starts_with("combine.") => Self::Replaces,
            (_, Some("event_bytes_max" | "comments" | "upstream")) => Self::Reconnects,
            (_, Some(key)) if key.starts_with("upstream.") => Self::Reconnects,
            _ => Self::Live,
        }
    }
}
