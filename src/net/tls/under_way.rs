//! How many handshakes are under way at one time: bounded, and one that waits makes room.
//!
//! A handshake waits for its client twice, for a round trip each time. One that has taken a second
//! may be slow; where there are too many it has to leave for a new one, the oldest first. So
//! connections that say nothing, or a byte a second, keep no client out for longer than that. It
//! looks once more whether its client has sent something: if it is this end that is slow, it goes
//! on.

use crate::net::SharedPhase;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A handshake that is younger makes no room.
pub(in crate::net) const PATIENCE: Duration = Duration::from_secs(1);

/// This part of the bound may be exceeded by those that were told to leave and are not gone yet.
const LEAVING_PART: usize = 8;

/// The handshakes of all listeners.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    next: u64,
    all: BTreeMap<u64, (Instant, Arc<SharedPhase>)>,
    /// Those below this have been told to leave.
    told: u64,
}

/// The place of a handshake.
#[derive(Debug)]
pub(crate) struct UnderWayPermit {
    under_way: Arc<UnderWay>,
    key: u64,
}

impl UnderWay {
    /// Takes a place, if one of `max` is free or another makes room.
    pub(crate) fn begin(self: &Arc<Self>, phase: Arc<SharedPhase>, max: usize) -> Option<UnderWayPermit> {
        let now = Instant::now();
        let mut list = self.list();
        let max = max.max(1);
        if list.all.len() >= max && !(list.all.len() < max + max.div_ceil(LEAVING_PART) && list.tell_oldest(now)) {
            return None;
        }
        let key = list.next;
        list.next += 1;
        list.all.insert(key, (now, phase));
        Some(UnderWayPermit {
            under_way: self.clone(),
            key,
        })
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// Tells the oldest one that it has to leave, if that has taken long enough. Whether it was.
    fn tell_oldest(&mut self, now: Instant) -> bool {
        let Some((&key, (begun, phase))) = self.all.range(self.told..).next() else {
            return false;
        };
        if now.saturating_duration_since(*begun) < PATIENCE {
            return false;
        }
        phase.ask_to_leave();
        self.told = key + 1;
        true
    }
}

impl Drop for UnderWayPermit {
    fn drop(&mut self) {
        self.under_way.list().all.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Phase;

    #[test]
    fn the_oldest_makes_room_once_it_has_had_its_time() {
        let under_way = Arc::new(UnderWay::default());
        let phases: Vec<_> = (0..20).map(|_| Arc::new(SharedPhase::new(Phase::Handshake))).collect();
        let begin = |n: usize| under_way.begin(phases[n].clone(), 8);
        let mut held: Vec<_> = (0..8).map(|n| begin(n).expect("room")).collect();
        assert!(begin(8).is_none(), "all are young");
        let long_ago = Instant::now() - PATIENCE;
        under_way
            .list()
            .all
            .values_mut()
            .for_each(|(begun, _)| *begun = long_ago);
        let ninth = begin(9).expect("the oldest makes room");
        let told = || phases.iter().filter(|phase| phase.has_to_leave()).count();
        assert!(phases[0].has_to_leave() && told() == 1);
        assert!(begin(10).is_none(), "only so many may be leaving");
        held.remove(0);
        let _tenth = begin(11).expect("the next one makes room");
        assert!(phases[1].has_to_leave() && told() == 2);
        drop((held, ninth));
        assert!(begin(12).is_some());
        assert_eq!(told(), 2);
    }
}
