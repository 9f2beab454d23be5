//! A terminal event is never seen without the end that it is.
//!
//! Tried by hand: where the event is appended before the end is set, a reader finds an event at the
//! head, and no end.

use super::{Cause, Ending};
use crate::channel::ids::{AtUpstream, IdInForce, Ids};
use crate::channel::writer_state::WriterState;
use crate::config::{self, LogLimits};
use crate::event_stream::Event;
use crate::log::{Cursor, Epoch, Log};
use ::loom::{model, thread};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn event(block: &'static str) -> Event<'static> {
    Event::parse_block(block.as_bytes()).expect("a block")
}

#[test]
fn a_reader_that_sees_the_terminal_event_sees_the_end() {
    model(|| {
        let limits = LogLimits {
            events: 2,
            bytes: 1000,
            age: Duration::ZERO,
        };
        let (writer, log) = Log::new(limits);
        let ending = Arc::new(Ending::new(1));
        let reading = {
            let ending = ending.clone();
            thread::spawn(move || {
                let head = log.head();
                if head > Cursor::START {
                    let end = ending.get().expect("the end is known");
                    assert_eq!((end.last, end.cause), (head, Cause::Terminal));
                }
            })
        };
        let ids = Ids::new(Epoch::named("e"), config::Ids::Pass, 1);
        let mut writer_state = WriterState::new(writer);
        let at = AtUpstream {
            upstream: 0,
            id: &IdInForce::none(),
        };
        writer_state.publish_last(&ids, &ending, &event("data: x\n\n"), at, Instant::now());
        reading.join().expect("no panic");
    });
}
