//! A log that another process is said to have written, whatever bytes come.

use super::{Cursor, Epoch, Log, Numbering, Read, Writer};
use crate::config::LogLimits;
use std::time::{Duration, Instant};

/// Some that most inputs are over.
const LIMITS: LogLimits = LogLimits {
    events: 16,
    bytes: 10_000,
    age: Duration::from_secs(60),
};

/// They are an error, or a log within its limits that goes on, and that is the same once it is given
/// again.
pub fn carried_log(bytes: &[u8]) {
    let now = Instant::now();
    let Ok((mut writer, log)) = Writer::take(bytes, LIMITS, now) else {
        return;
    };
    assert!(log.events() <= LIMITS.events as u64);
    let given = given(&writer, now);
    let (again, same) = Writer::take(&given[..], LIMITS, now).expect("as it was written");
    let once = self::given(&again, now);
    // Ids that come back the same have one hash: one that is forgotten may go for one that is kept.
    assert!(once.len() <= given.len());
    let (twice, _) = Writer::take(&once[..], LIMITS, now).expect("as it was written");
    assert_eq!(self::given(&twice, now), once);
    assert_eq!((same.head(), same.tail()), (log.head(), log.tail()));
    let epoch = Epoch::named("e");
    for cursor in kept(&log) {
        let (Read::Entry(entry), Read::Entry(other)) = (log.read(cursor), same.read(cursor)) else {
            panic!("an entry between tail and head is missing");
        };
        assert_eq!((entry.chunked(), entry.id()), (other.chunked(), other.id()));
        assert!(entry.plain().len() + 5 <= entry.chunked().len());
        let numbering = Numbering {
            epoch: &epoch,
            assigning: true,
        };
        assert_eq!(log.resume(entry.id(), &numbering), same.resume(entry.id(), &numbering));
    }
    writer.trim(now);
    writer.clear();
    assert_eq!(log.events(), 0);
}

fn given(writer: &Writer, now: Instant) -> Vec<u8> {
    let mut given = Vec::new();
    writer.give(&mut given, now).expect("memory takes it");
    given
}

fn kept(log: &Log) -> impl Iterator<Item = Cursor> {
    log.tail().up_to(log.head().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_logs() {
        let four = include_bytes!("../../fuzz/seeds/carried_log/four_entries");
        let (_, log) = Writer::take(&four[..], LIMITS, Instant::now()).expect("a log");
        assert_eq!((log.events(), log.head()), (4, Cursor::nth(7)));
        let empty = include_bytes!("../../fuzz/seeds/carried_log/empty");
        assert!(Writer::take(&empty[..], LIMITS, Instant::now()).is_ok());
        let alike = include_bytes!("../../fuzz/seeds/carried_log/ids_that_come_back_the_same");
        assert!(Writer::take(&alike[..], LIMITS, Instant::now()).is_ok());
        carried_log(alike);
    }
}
