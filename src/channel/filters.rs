//! Which filters the clients of a source have chosen at this time, over all its channels.

use super::filter::Filter;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The filters that are in use. What asks for the same is the same filter.
#[derive(Default)]
pub(super) struct Filters(Mutex<HashMap<Filter, Weak<Filter>>>);

impl Filters {
    /// A filter, for as long as it is held. `None`: there are `max` others.
    pub(super) fn choose(&self, filter: &Filter, max: usize) -> Option<Arc<Filter>> {
        let mut filters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chosen) = filters.get(filter).and_then(Weak::upgrade) {
            return Some(chosen);
        }
        if filters.len() >= max {
            filters.retain(|_, chosen| chosen.strong_count() > 0);
        }
        if filters.len() >= max {
            return None;
        }
        let chosen = Arc::new(filter.clone());
        filters.insert(filter.clone(), Arc::downgrade(&chosen));
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_there_may_be() {
        let filters = Filters::default();
        let filter = |name: &str| Filter::parse(&[name.as_bytes().to_vec()], &[]).unwrap().unwrap();
        let a = filters.choose(&filter("a"), 2).unwrap();
        let b = filters.choose(&filter("b"), 2).unwrap();
        assert!(
            Arc::ptr_eq(&a, &filters.choose(&filter("a"), 0).unwrap()),
            "it is there"
        );
        assert!(filters.choose(&filter("c"), 2).is_none());
        drop(b);
        assert!(filters.choose(&filter("c"), 2).is_some());
    }
}
