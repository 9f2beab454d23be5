//! Flow control of what we send (RFC 9113, 5.2 and 6.9), and how streams share a connection's
//! window (docs/decisions/0028).

use super::limits::{HELD_BYTES, ROOM_MIN, WINDOW_MAX};

/// A window, as far as the peer's updates tell of it.
///
/// `size` is always `available + in_flight`: an update first gives back what is in flight, and
/// what it gives beyond that makes the window larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// What may be sent; below zero after the peer has made its windows smaller.
    available: i32,
    /// Sent and not given back.
    in_flight: u32,
}

/// A window would grow beyond its bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Window {
    pub(super) fn new(size: u32) -> Self {
        Self {
            available: i32::try_from(size).unwrap_or(i32::MAX),
            in_flight: 0,
        }
    }

    #[cfg(test)]
    fn in_flight(&self) -> u32 {
        self.in_flight
    }

    fn size(&self) -> i64 {
        i64::from(self.available) + i64::from(self.in_flight)
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        debug_assert!(bytes as i64 <= i64::from(self.available), "more than the window");
        self.available -= bytes as i32;
        self.in_flight += bytes as u32;
    }

    /// The peer gives so much back.
    pub(super) fn returned(&mut self, bytes: u32) -> Result<(), Overflow> {
        let available = i64::from(self.available) + i64::from(bytes);
        if available > WINDOW_MAX {
            return Err(Overflow);
        }
        self.available = available as i32;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        Ok(())
    }

    /// The peer makes all windows larger or smaller by so much.
    pub(super) fn resized(&mut self, by: i64) -> Result<(), Overflow> {
        let available = i64::from(self.available) + by;
        self.available = i32::try_from(available).map_err(|_| Overflow)?;
        Ok(())
    }

    /// At how much a receiver gives back what it has read: half of its window, as browsers and most
    /// libraries do, or one byte more.
    fn half(&self) -> i64 {
        self.size().max(0) / 2 + 1
    }

    /// How much a receiver may keep without giving it back: a part may not have been read.
    fn kept_max(&self) -> i64 {
        self.half() + HELD_BYTES
    }

    /// What is in flight beyond that has not been read.
    pub(super) fn unread(&self) -> u64 {
        (i64::from(self.in_flight) - self.kept_max()).max(0) as u64
    }

    /// How much of `wanted` bytes may be sent on a stream with this window.
    ///
    /// No stream has more in flight than what it leaves of the connection's window, so that one
    /// which is not read leaves half to the others, two leave a third, and so on. But each may have
    /// half of its own window in flight, since a receiver may give nothing back before that; and
    /// none has more than `unread_max` beyond it.
    pub(super) fn room(&self, connection: &Window, unread_max: u32, wanted: usize) -> usize {
        let (left, in_flight) = (i64::from(connection.available), i64::from(self.in_flight));
        // What the connection has got back can't be in flight there, whatever the stream has.
        let of_connection = in_flight.min(i64::from(connection.in_flight));
        let kept_max = self.kept_max().min(connection.kept_max());
        let fair = ((left - of_connection) / 2).max(kept_max - of_connection);
        let own = self.kept_max() + i64::from(unread_max) - in_flight;
        let room = fair.min(own).min(left).min(i64::from(self.available)).max(0) as usize;
        // The receiver has enough to give back: what it gives back in crumbs is waited for.
        let is_crumb = room < wanted.min(ROOM_MIN) && in_flight >= self.half();
        if is_crumb { 0 } else { room.min(wanted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEVER: u32 = 1 << 30;

    fn in_flight(windows: &[Window]) -> Vec<u32> {
        windows.iter().map(Window::in_flight).collect()
    }

    /// Sends all that there is room for, in pieces of a frame.
    fn send_all(stream: &mut Window, connection: &mut Window, unread_max: u32) -> usize {
        let mut sent = 0;
        loop {
            let bytes = stream.room(connection, unread_max, 16_384);
            if bytes == 0 {
                return sent;
            }
            stream.sent(bytes);
            connection.sent(bytes);
            sent += bytes;
        }
    }

    /// Chromium: 6 MiB a stream, 15 MiB a connection.
    #[test]
    fn three_tabs_that_are_not_read_leave_room_for_a_fourth() {
        let mut connection = Window::new(15 << 20);
        let mut frozen = [Window::new(6 << 20); 3];
        for window in &mut frozen {
            send_all(window, &mut connection, 1 << 20);
        }
        let total: u32 = in_flight(&frozen).iter().sum();
        assert!(total <= 12 << 20, "{:?}", in_flight(&frozen));
        // It has half of its window in flight, and so gets it back.
        let mut fourth = Window::new(6 << 20);
        assert!(send_all(&mut fourth, &mut connection, 1 << 20) > 3 << 20);
        assert!(frozen.iter().all(|window| window.unread() >= 500_000));
    }

    #[test]
    fn a_stream_alone_leaves_half_of_the_connection() {
        let mut connection = Window::new(65_535);
        let mut stream = Window::new(1 << 20);
        let sent = send_all(&mut stream, &mut connection, NEVER);
        assert!((32_768..=32_768 + HELD_BYTES as usize).contains(&sent), "{sent}");
    }

    /// As nghttp2 and Go's and Chromium's libraries do, and the strictest of them.
    #[test]
    fn a_receiver_that_gives_back_half_is_never_stuck() {
        for (stream_size, connection_size) in [
            (65_535, 65_535),
            (1, 65_535),
            (100, 65_535),
            (6 << 20, 15 << 20),
            (1 << 20, 65_535),
            (10 << 20, 1000 << 20),
        ] {
            let mut connection = Window::new(connection_size);
            let mut stream = Window::new(stream_size);
            for turn in 0..1000 {
                let sent = send_all(&mut stream, &mut connection, 0);
                assert!(sent > 0, "{stream_size} of {connection_size}: stuck in turn {turn}");
                for (window, size) in [(&mut stream, stream_size), (&mut connection, connection_size)] {
                    let kept = window.in_flight();
                    if kept > size / 2 {
                        window.returned(kept).expect("no overflow");
                    }
                }
            }
        }
    }

    #[test]
    fn crumbs_are_waited_for() {
        let mut connection = Window::new(1 << 30);
        let mut stream = Window::new(65_535);
        send_all(&mut stream, &mut connection, NEVER);
        for given_back in 1..ROOM_MIN as u32 {
            stream.returned(1).expect("no overflow");
            assert_eq!(stream.room(&connection, NEVER, 5000), 0, "{given_back}");
        }
        assert_eq!(
            stream.room(&connection, NEVER, 100),
            100,
            "all that is wanted is no crumb"
        );
        stream.returned(1).expect("no overflow");
        assert_eq!(stream.room(&connection, NEVER, 5000), ROOM_MIN);
        // Of a window of one byte each byte is one.
        let mut tiny = Window::new(1);
        assert_eq!(tiny.room(&connection, NEVER, 5000), 1);
        tiny.sent(1);
        assert_eq!(tiny.room(&connection, NEVER, 5000), 0);
    }

    #[test]
    fn windows_have_bounds() {
        let mut window = Window::new(65_535);
        assert_eq!(window.returned(WINDOW_MAX as u32), Err(Overflow));
        assert_eq!(window.returned(WINDOW_MAX as u32 - 65_535), Ok(()));
        assert_eq!(window.resized(1), Err(Overflow));
        assert_eq!(window.resized(-WINDOW_MAX), Ok(()));
        assert_eq!(window.room(&Window::new(9), NEVER, 9), 0);
        window.resized(-WINDOW_MAX).expect("below zero, and no overflow");
        assert_eq!(window.room(&Window::new(9), NEVER, 9), 0);
    }

    proptest! {
        /// Whatever a peer does, no more is sent than it allows, on the stream and in all.
        #[test]
        fn no_more_is_sent_than_the_peer_allows(
            sizes in prop::array::uniform2(0u32..200_000),
            steps in prop::collection::vec((0u8..4, 0usize..2, 0u32..100_000), 0..200),
        ) {
            let mut connection = Window::new(65_535);
            let mut allowed = i64::from(65_535u32);
            let mut streams = sizes.map(Window::new);
            let mut allowed_on = sizes.map(i64::from);
            for (step, n, amount) in steps {
                match step {
                    0 | 1 => {
                        let bytes = streams[n].room(&connection, 50_000, amount as usize);
                        prop_assert!(bytes <= amount as usize);
                        streams[n].sent(bytes);
                        connection.sent(bytes);
                        allowed -= bytes as i64;
                        allowed_on[n] -= bytes as i64;
                        prop_assert!(allowed >= 0 && (bytes == 0 || allowed_on[n] >= 0));
                    }
                    2 => { if connection.returned(amount).is_ok() { allowed += i64::from(amount); } }
                    _ => { if streams[n].returned(amount).is_ok() { allowed_on[n] += i64::from(amount); } }
                }
            }
        }
    }
}
