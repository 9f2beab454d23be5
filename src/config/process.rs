//! Bounds of the whole process, and how it leaves.

use super::codec::{ANY_DURATION, COUNT_MAX, Codec as _, Count, Custom, SOME_DURATION, Size, To, number};
use super::field::Presence as _;
use super::item::Section;
use super::shape::Shape;
use super::table::{Unsupported, section};
use std::num::NonZero;
use std::time::Duration;

section! {
    /// Bounds of the whole process.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Limits {
        /// Clients at one time, over all sources.
        pub clients: usize = number(Count(1..=COUNT_MAX)).or("100000"),
        /// Clients at one time from one address; 0: no limit.
        pub clients_per_ip: usize = number(Count(0..=COUNT_MAX)).or("0"),
        /// Clients at one time of one user, as `access` knows it; 0: no limit.
        pub clients_per_user: usize = number(Count(0..=COUNT_MAX)).or("0"),
        /// Connections accepted per second; 0: no limit.
        pub accepts_per_second: u32 = number(Count(0..=COUNT_MAX)).or("0"),
        /// From a connection's opening to the end of its request head.
        pub header_timeout: Duration = SOME_DURATION.or("10s"),
        /// How long a connection may wait for its next request.
        pub keep_alive: Duration = SOME_DURATION.or("75s"),
        // A browser's head is about 1 KiB; many of a megabyte would be an attack on memory.
        /// Largest request head.
        pub header_bytes: usize = number(Size(1 << 10..=1 << 20)).or("16KiB"),
        /// TLS handshakes under way at one time; `auto`: by the number of cores.
        pub handshakes: usize = HANDSHAKES.or("auto"),
        /// Open channels of templated sources.
        pub channels: usize = number(Count(1..=COUNT_MAX)).or("10000"),
    }
    unsupported = [
        Unsupported("memory", &[], "memory of the whole process"),
    ];
}

/// What `auto` gives to each core. It makes one to four thousand handshakes a second, by the kind of
/// the key: so many are done within the second that a client waits for without noticing, and hold
/// less than 32 MiB.
const HANDSHAKES_PER_CORE: usize = 1024;

const HANDSHAKES: Custom<usize> = Custom {
    shape: || Shape::Either(vec![Shape::Word(vec!["auto"]), HANDSHAKE_COUNT.shape()]),
    read: |item| match item.peek() {
        Some("auto") => Some(std::thread::available_parallelism().map_or(1, NonZero::get) * HANDSHAKES_PER_CORE),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => HANDSHAKE_COUNT.read(item),
        _ => {
            let form = "`auto`, or a number of handshakes";
            item.text(form)?;
            item.checked(None, form)
        }
    },
    print: |handshakes| Some((*handshakes).into()),
};

const HANDSHAKE_COUNT: To<Count, usize> = number(Count(1..=COUNT_MAX));

section! {
    /// How the process leaves after SIGTERM.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Drain {
        /// From the signal, and readiness off, to the first end: for load balancers that have to
        /// notice.
        pub delay: Duration = ANY_DURATION.or("0s"),
        /// Over how long the ends of the streams are spread.
        pub spread: Duration = ANY_DURATION.or("10s"),
        /// When whatever is left is cut.
        pub timeout: Duration = ANY_DURATION.or("30s"),
    }
    check = bounds_fit;
}

fn bounds_fit(section: &Section<'_>, drain: Option<&mut Drain>) {
    if drain.is_some_and(|drain| drain.spread > drain.timeout) {
        section
            .item
            .warn("`spread` is longer than `timeout`: it is shortened to that");
    }
}
