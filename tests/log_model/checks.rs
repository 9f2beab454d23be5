//! What must hold after every step: the record, where clients start, and where they resume.

use crate::REMEMBERED_ENTRIES;
use crate::pair::{LetIn, Pair};
use bytes::Bytes;
use fanfare::config::Start;
use fanfare::log::{Cursor, Kind, Position, Read, ResumePoint, Tip};
use fanfare::metrics::GapReason;

impl Pair {
    fn check_record(&self) {
        let (log, model) = (&self.log, &self.model);
        let (head, tail) = (model.head(), model.tail);
        assert_eq!((log.head(), log.tail()), (Cursor::nth(head), Cursor::nth(tail)));
        assert_eq!(log.events(), head + 1 - tail);
        assert_eq!(log.bytes(), model.bytes(model.kept()));
        let in_force = model.written.last().map_or(Bytes::new(), |entry| entry.id.clone());
        let tip = Tip {
            cursor: Cursor::nth(head),
            position: model.position(head),
            id: in_force,
        };
        assert_eq!(log.tip(), tip);
        for cursor in 0..=head + 2 {
            match log.read(Cursor::nth(cursor)) {
                Read::Entry(entry) => {
                    assert!(model.kept().contains(&cursor));
                    let written = model.at(cursor);
                    assert_eq!((entry.cursor.get(), entry.position), (cursor, written.position));
                    assert_eq!(entry.offset, model.bytes(1..=cursor - 1));
                    assert_eq!((entry.id(), entry.chunked()), (&written.id, &written.frame));
                    assert_eq!((entry.kind(), entry.received()), (written.kind, written.received));
                }
                Read::NotYet => assert!(cursor > head),
                Read::Gone => assert!(cursor < tail),
            }
            assert_eq!(
                log.bytes_from(Cursor::nth(cursor)),
                model.bytes(cursor.max(tail)..=head),
                "from {cursor}"
            );
        }
    }

    fn check_starts(&self) {
        let (log, model) = (&self.log, &self.model);
        let place = |next: u64| ResumePoint {
            next: Cursor::nth(next),
            id: model.id_after(next - 1),
            gap: None,
        };
        let start = |start| log.begin(log.start(start), &model.numbering());
        assert_eq!(start(Start::Live), place(model.head() + 1));
        assert_eq!(start(Start::Earliest), place(model.tail));
        let latest = model.kept().rev().find(|&p| model.at(p).kind == Kind::Event);
        assert_eq!(start(Start::Latest), place(latest.unwrap_or(model.head() + 1)));
    }

    /// Clients that were let in at some time, and whose streams are written now: what came since is
    /// for them, or a gap.
    fn check_late_starts(&self) {
        let (log, model) = (&self.log, &self.model);
        for &LetIn { start, next } in &self.let_in {
            let place = log.begin(start, &model.numbering());
            let (next, gap) = match next {
                Some(next) if next < model.tail => (model.tail, Some(GapReason::Evicted)),
                Some(next) => (next, None),
                None => (model.tail, None),
            };
            assert_eq!((place.next, place.gap), (Cursor::nth(next), gap), "{start:?}");
            assert_eq!(place.id, model.id_after(next - 1), "{start:?}");
        }
    }

    fn check_resume_by_number(&self) {
        let (log, model) = (&self.log, &self.model);
        let newest = model.position(model.head());
        for number in model.start.get().saturating_sub(2)..=newest.get() + 2 {
            let position = Position::new(number);
            let id = Bytes::from(model.epoch.id(position));
            let place = log.resume(&id, &model.numbering());
            let after = |cursor: u64, gap| ResumePoint {
                next: Cursor::nth(cursor + 1),
                id: model.id_after(cursor),
                gap: Some(gap),
            };
            let last_evicted = model.tail - 1;
            let before = (last_evicted..=model.head()).rfind(|&cursor| model.position(cursor) <= position);
            let expected = match before {
                _ if position > newest => after(last_evicted, GapReason::UnknownId),
                None => after(last_evicted, GapReason::Evicted),
                Some(cursor) if model.position(cursor) == position => ResumePoint {
                    next: Cursor::nth(cursor + 1),
                    id,
                    gap: None,
                },
                // In a hole: what came before it is not sent again.
                Some(cursor) => after(cursor, GapReason::UnknownId),
            };
            assert_eq!(place, expected, "number {number}");
        }
    }

    fn check_resume(&self, id: &Bytes) {
        let (log, model) = (&self.log, &self.model);
        let place = log.resume(id, &model.numbering());
        // Where a client that names this id may have been, as far as the log is bound to know.
        let uses = || (1..=model.head()).filter(|&p| model.at(p).passed && model.at(p).id == *id);
        let last = uses().next_back();
        let first = last.map(|last| model.at(last).first);
        match (last, first) {
            (Some(last), Some(first)) if last + 1 >= model.tail => match first {
                // Every event after it, with none lost or doubled.
                Some(first) if first != 0 && first + 1 >= model.tail => {
                    assert_eq!(
                        place,
                        ResumePoint {
                            next: Cursor::nth(first + 1),
                            id: id.clone(),
                            gap: None
                        },
                        "{id:?}"
                    );
                }
                Some(_) => self.assert_gap(&place, id, &[GapReason::Evicted]),
                None if place.gap.is_some() => self.assert_gap(&place, id, &[GapReason::Evicted]),
                // The use before was longer ago than is remembered: after the first one that is.
                None => assert!((model.tail..=last + 1).contains(&place.next.get()), "{place:?}"),
            },
            (Some(_), _) => self.assert_gap(&place, id, &[GapReason::Evicted, GapReason::UnknownId]),
            (None, _) => self.assert_gap(&place, id, &[GapReason::UnknownId]),
        }
        // Nothing is lost silently, wherever the client was: told once more, from the promise and
        // nothing else.
        if place.gap.is_none() {
            let reach = uses().rev().take_while({
                let mut newer = model.head() + 1;
                move |&p| {
                    let known = p + REMEMBERED_ENTRIES > newer || newer > model.head();
                    newer = p;
                    known
                }
            });
            for was in reach {
                assert!(
                    (model.tail..=was + 1).contains(&place.next.get()),
                    "{id:?} at {was}: {place:?}"
                );
            }
        }
    }

    fn assert_gap(&self, place: &ResumePoint, id: &Bytes, reasons: &[GapReason]) {
        let oldest = ResumePoint {
            next: Cursor::nth(self.model.tail),
            id: self.model.id_after(self.model.tail - 1),
            gap: place.gap,
        };
        assert_eq!(*place, oldest, "{id:?}");
        assert!(place.gap.is_some_and(|gap| reasons.contains(&gap)), "{id:?}: {place:?}");
    }

    pub(crate) fn check(&self) {
        self.check_record();
        self.check_starts();
        self.check_late_starts();
        self.check_resume_by_number();
        let mut ids: Vec<Bytes> = self
            .model
            .written
            .iter()
            .filter(|e| e.passed && !e.id.is_empty())
            .map(|e| e.id.clone())
            .collect();
        ids.sort();
        ids.dedup();
        let foreign = ["never", "id", "unique 0", "0.1", ".1", "another.1"];
        for id in ids.into_iter().chain(foreign.map(Bytes::from)) {
            self.check_resume(&id);
        }
    }
}
