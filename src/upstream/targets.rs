//! The URLs of an upstream, tried in turn, with one wait for a round of them.

use crate::config::Target;

/// The configured URLs, tried in turn.
pub(super) struct Targets<'a> {
    urls: &'a [String],
    is_feed: bool,
    /// The one in use: an index into `urls`.
    at: usize,
    /// Failures in a row since the last wait; fewer than `urls`.
    failed: usize,
}

/// When the next attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// There is a URL that was not tried since the last wait.
    AtOnce,
    /// All of them have failed, or a stream was cut.
    Wait,
}

impl<'a> Targets<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        let (urls, is_feed) = match target {
            Target::Urls(urls) => (urls.as_slice(), false),
            Target::Feed(url) => (std::slice::from_ref(url), true),
        };
        Self {
            urls,
            is_feed,
            at: 0,
            failed: 0,
        }
    }

    /// Goes on at this one, after so many failures since the last wait.
    pub(super) fn at(mut self, at: usize, failed: usize) -> Self {
        let urls = self.urls.len().max(1);
        self.at = at % urls;
        self.failed = failed % urls;
        self
    }

    /// Which one is in use, and the failures since the last wait.
    pub(super) fn state(&self) -> (usize, usize) {
        (self.at, self.failed)
    }

    pub(super) fn current(&self) -> (&'a str, bool) {
        (self.urls.get(self.at).map_or("", String::as_str), self.is_feed)
    }

    /// After a stream that had lived, the same URL is asked first: it knows the place best.
    pub(super) fn failed(&mut self, lived: bool) -> Next {
        if lived {
            self.failed = 0;
            return Next::Wait;
        }
        self.at = (self.at + 1) % self.urls.len().max(1);
        self.failed += 1;
        if self.failed < self.urls.len() {
            return Next::AtOnce;
        }
        self.failed = 0;
        Next::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_tried_in_turn_with_one_wait_per_round() {
        let target = Target::Urls(["a", "b", "c"].map(str::to_owned).to_vec());
        let mut targets = Targets::new(&target);
        let mut tried = Vec::new();
        for _ in 0..4 {
            tried.push(targets.current().0);
            tried.push(if targets.failed(false) == Next::Wait {
                "wait"
            } else {
                "at once"
            });
        }
        assert_eq!(tried, ["a", "at once", "b", "at once", "c", "wait", "a", "at once"]);
        // b lives and is cut: b again, and from there on.
        assert_eq!(targets.failed(true), Next::Wait);
        assert_eq!(targets.current().0, "b");
        assert_eq!(targets.failed(false), Next::AtOnce);
        assert_eq!(targets.current().0, "c");
    }

    #[test]
    fn one_url_is_followed_by_a_wait_each_time() {
        let feed = Target::Feed("f".to_owned());
        let mut targets = Targets::new(&feed);
        assert_eq!(targets.failed(false), Next::Wait);
        assert_eq!(targets.current(), ("f", true));
    }
}
