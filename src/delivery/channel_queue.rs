//! Channels for which something is to be done: in order, each once.

use super::keys::ChannelKey;
use std::collections::VecDeque;

/// A queue in which a channel stands once, however often it is put in. All of it is constant time
/// but the removal of a channel from the middle, which happens when its last client leaves.
#[derive(Debug, Default)]
pub(super) struct ChannelQueue {
    keys: VecDeque<ChannelKey>,
    /// By key: whether it stands in `keys`.
    is_in: Vec<bool>,
}

impl ChannelQueue {
    /// Puts a channel at the end, if it is not in.
    pub(super) fn push(&mut self, key: ChannelKey) {
        if key.index() >= self.is_in.len() {
            self.is_in.resize(key.index() + 1, false);
        }
        if !std::mem::replace(&mut self.is_in[key.index()], true) {
            self.keys.push_back(key);
        }
    }

    pub(super) fn pop(&mut self) -> Option<ChannelKey> {
        let key = self.keys.pop_front()?;
        self.is_in[key.index()] = false;
        Some(key)
    }

    /// Takes a channel out, wherever it stands.
    pub(super) fn remove(&mut self, key: ChannelKey) {
        if self.contains(key) {
            self.is_in[key.index()] = false;
            self.keys.retain(|&other| other != key);
        }
    }

    pub(super) fn contains(&self, key: ChannelKey) -> bool {
        self.is_in.get(key.index()).is_some_and(|&is_in| is_in)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ChannelKey> {
        self.keys.iter().copied()
    }

    /// That each channel stands in it once, and that it knows which do.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check(&self) {
        let marked = self.is_in.iter().filter(|&&is_in| is_in).count();
        assert_eq!(marked, self.keys.len(), "a channel stands in a queue twice");
        assert!(self.iter().all(|key| self.contains(key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_channel_stands_in_it_once() {
        let [a, b, c] = [7, 0, 3].map(ChannelKey::new);
        let mut queue = ChannelQueue::default();
        for key in [a, b, a, c, b] {
            queue.push(key);
        }
        assert_eq!(queue.iter().collect::<Vec<_>>(), [a, b, c]);
        queue.remove(b);
        queue.remove(b);
        assert_eq!(queue.pop(), Some(a));
        queue.push(a);
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(c), Some(a), None]);
    }

    proptest! {
        #[test]
        fn it_is_a_list_without_repetitions(steps in prop::collection::vec((0..3_u8, 0..9_usize), 0..200)) {
            let (mut queue, mut model) = (ChannelQueue::default(), Vec::new());
            for (step, key) in steps.into_iter().map(|(step, key)| (step, ChannelKey::new(key))) {
                match step {
                    0 if !model.contains(&key) => { model.push(key); queue.push(key); }
                    0 => queue.push(key),
                    1 => { model.retain(|&other| other != key); queue.remove(key); }
                    _ => {
                        let first = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(queue.pop(), first);
                    }
                }
                queue.check();
                prop_assert_eq!(queue.iter().collect::<Vec<_>>(), model.clone());
                prop_assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()));
            }
        }
    }
}
