//! What the page plays with: the line between origin and relay, the crowd, the relay's numbers.

use super::crowd::{Crowd, CrowdSetup};
use super::line::Line;
use super::numbers::{self, Numbers};
use super::site::Site;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Events in a second for each client of a crowd, and for each of a large one: both ends are on one
/// machine, and a browser beside them.
const EVENTS_PER_SECOND: u32 = 10;
const EVENTS_PER_SECOND_OF_LARGE: u32 = 5;
/// So many clients are a large crowd.
const LARGE: usize = 5_000;

/// What is shared by the page's requests beyond the origin's own.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) site: Arc<Site>,
    pub(super) line: Line,
    /// The stream that the page follows, once it is known.
    pub(super) relayed_stream: OnceLock<String>,
    /// Where the relay's metrics are, once that is known.
    pub(super) admin: OnceLock<SocketAddr>,
    crowd: OnceLock<Crowd>,
    numbers: Mutex<Looks>,
}

/// The relay's numbers, twice.
#[derive(Debug, Clone, Copy, Default)]
struct Looks {
    /// `None`: it does not answer.
    now: Option<Numbers>,
    /// As it was when no client of the crowd was wanted: what the crowd costs is what is more now.
    without_crowd: Option<Numbers>,
}

impl Stage {
    pub(super) fn new(site: Arc<Site>, line: Line) -> Self {
        Self {
            site,
            line,
            relayed_stream: OnceLock::new(),
            admin: OnceLock::new(),
            crowd: OnceLock::new(),
            numbers: Mutex::default(),
        }
    }

    /// There is a relay that a crowd can come to. The first call counts.
    pub(super) fn set_crowd(&self, setup: CrowdSetup) {
        let _ = self.crowd.set(Crowd::new(setup));
    }

    /// The crowd; `None`: there is no relay for one.
    pub(super) fn crowd(&self) -> Option<&Crowd> {
        self.crowd.get()
    }

    /// Has a crowd of so many, and events for it.
    pub(super) fn have(&self, crowd: &Crowd, clients: usize) -> io::Result<()> {
        crowd.have(clients)?;
        self.site.pulse.set_rate(match crowd.seen().wanted {
            0 => 0,
            few if few < LARGE => EVENTS_PER_SECOND,
            _ => EVENTS_PER_SECOND_OF_LARGE,
        });
        Ok(())
    }

    /// Looks at the relay's numbers for as long as it is polled.
    pub(super) async fn look(&self) {
        loop {
            tokio::time::sleep(numbers::EVERY).await;
            let Some(admin) = self.admin.get() else { continue };
            let now = numbers::ask(*admin, super::CROWD_SOURCE).await.ok();
            let crowd = self.crowd().map(Crowd::seen).unwrap_or_default();
            let is_alone = crowd.wanted == 0 && crowd.report.is_none_or(|report| report.live == 0);
            let mut looks = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            looks.now = now;
            if let Some(now) = now.filter(|now| is_alone && now.clients <= 0.0) {
                looks.without_crowd = Some(now);
            }
        }
    }

    /// All that the page shows of it.
    pub(super) fn status(&self) -> Value {
        let looks = *self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let crowd = self.crowd().map(|crowd| {
            let seen = crowd.seen();
            json!({
                "offers": crowd.offers(),
                "fits": crowd.fits(),
                "wanted": seen.wanted,
                "events_per_second": self.site.pulse.rate(),
                "report": seen.report,
            })
        });
        json!({
            "origin_lives": self.site.lives(),
            "crowd": crowd,
            "relay": looks.now,
            "relay_without_crowd": looks.without_crowd,
        })
    }
}
