//! What must hold after every step: the record, where clients start, and where they resume.

use crate::REMEMBERED_POSITIONS;
use crate::pair::Pair;
use bytes::Bytes;
use fanfare::config::Start;
use fanfare::log::{Kind, Read, ResumePoint};
use fanfare::metrics::GapReason;

impl Pair {
    fn check_record(&self) {
        let (log, model) = (&self.log, &self.model);
        let (head, tail) = (model.head(), model.tail);
        assert_eq!((log.head(), log.tail(), log.events()), (head, tail, head + 1 - tail));
        assert_eq!(log.bytes(), model.bytes(model.kept()));
        let in_force = model.written.last().map_or(Bytes::new(), |entry| entry.id.clone());
        assert_eq!(log.tip(), (head, in_force));
        for position in 0..=head + 2 {
            match log.read(position) {
                Read::Entry(entry) => {
                    assert!(model.kept().contains(&position));
                    let written = model.at(position);
                    assert_eq!(entry.position, position);
                    assert_eq!(entry.offset, model.bytes(1..=position - 1));
                    assert_eq!((entry.id(), entry.chunked()), (&written.id, &written.frame));
                    assert_eq!((entry.kind(), entry.received()), (written.kind, written.received));
                }
                Read::NotYet => assert!(position > head),
                Read::Gone => assert!(position < tail),
            }
            assert_eq!(
                log.bytes_since(position),
                model.bytes((position + 1).max(tail)..=head),
                "since {position}"
            );
        }
    }

    fn check_starts(&self) {
        let (log, model) = (&self.log, &self.model);
        let place = |next: u64| ResumePoint {
            next,
            id: model.id_after(next - 1),
            gap: None,
        };
        let start = |start| log.start(start, &model.numbering());
        assert_eq!(start(Start::Live), place(model.head() + 1));
        assert_eq!(start(Start::Earliest), place(model.tail));
        let latest = model.kept().rev().find(|&p| model.at(p).kind == Kind::Event);
        assert_eq!(start(Start::Latest), place(latest.unwrap_or(model.head() + 1)));
    }

    fn check_resume_by_number(&self) {
        let (log, model) = (&self.log, &self.model);
        for position in 0..=model.head() + 2 {
            let id = Bytes::from(model.epoch.id(position));
            let place = log.resume(&id, &model.numbering());
            let oldest = |gap| ResumePoint {
                next: model.tail,
                id: model.id_after(model.tail - 1),
                gap: Some(gap),
            };
            let expected = if position > model.head() {
                oldest(GapReason::UnknownId)
            } else if position + 1 < model.tail {
                oldest(GapReason::Evicted)
            } else {
                ResumePoint {
                    next: position + 1,
                    id,
                    gap: None,
                }
            };
            assert_eq!(place, expected, "number {position}");
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
                            next: first + 1,
                            id: id.clone(),
                            gap: None
                        },
                        "{id:?}"
                    );
                }
                Some(_) => self.assert_gap(&place, id, &[GapReason::Evicted]),
                None if place.gap.is_some() => self.assert_gap(&place, id, &[GapReason::Evicted]),
                // The use before was longer ago than is remembered: after the first one that is.
                None => assert!(place.next > model.tail - 1 && place.next <= last + 1, "{place:?}"),
            },
            (Some(_), _) => self.assert_gap(&place, id, &[GapReason::Evicted, GapReason::UnknownId]),
            (None, _) => self.assert_gap(&place, id, &[GapReason::UnknownId]),
        }
        // Nothing is lost silently, wherever the client was: told once more, from the promise and nothing else.
        if place.gap.is_none() {
            let reach = uses().rev().take_while({
                let mut newer = model.head() + 1;
                move |&p| {
                    let known = p + REMEMBERED_POSITIONS > newer || newer > model.head();
                    newer = p;
                    known
                }
            });
            for was in reach {
                assert!(
                    place.next <= was + 1 && place.next >= model.tail,
                    "{id:?} at {was}: {place:?}"
                );
            }
        }
    }

    fn assert_gap(&self, place: &ResumePoint, id: &Bytes, reasons: &[GapReason]) {
        let oldest = ResumePoint {
            next: self.model.tail,
            id: self.model.id_after(self.model.tail - 1),
            gap: place.gap,
        };
        assert_eq!(*place, oldest, "{id:?}");
        assert!(place.gap.is_some_and(|gap| reasons.contains(&gap)), "{id:?}: {place:?}");
    }

    pub(crate) fn check(&self) {
        self.check_record();
        self.check_starts();
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
        let foreign = ["never", "id", "unique 0", "0.1", ".1", "vcdfghjklmnp.1"];
        for id in ids.into_iter().chain(foreign.map(Bytes::from)) {
            self.check_resume(&id);
        }
    }
}
