//! How many clients each user has.

use super::grant::User;
use crate::metrics::RefuseReason;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts the clients of users that have one, and lets none have more than `max`; 0: as many as it
/// likes, and nothing is counted.
pub(super) struct Users {
    max: AtomicUsize,
    clients: Mutex<HashMap<User, usize>>,
}

impl Users {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: AtomicUsize::new(max),
            clients: Mutex::default(),
        }
    }

    /// Bounds them anew, from the next client on.
    pub(super) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Counts a client of this user. Whether it is counted: then it has to [`leave`](Self::leave).
    pub(super) fn enter(&self, user: &User) -> Result<bool, RefuseReason> {
        let max = self.max.load(Ordering::Relaxed);
        if max == 0 {
            return Ok(false);
        }
        let mut clients = self.lock();
        match clients.get_mut(user) {
            Some(count) if *count >= max => return Err(RefuseReason::ClientsPerUser),
            Some(count) => *count += 1,
            None => drop(clients.insert(user.clone(), 1)),
        }
        Ok(true)
    }

    /// Counts one that is there already, and may be one too many. Whether it is counted, as above.
    pub(super) fn take_over(&self, user: &User) -> bool {
        let is_counted = self.max.load(Ordering::Relaxed) > 0;
        if is_counted {
            *self.lock().entry(user.clone()).or_insert(0) += 1;
        }
        is_counted
    }

    pub(super) fn leave(&self, user: &User) {
        let mut clients = self.lock();
        if let Some(count) = clients.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                clients.remove(user);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<User, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_so_many() {
        let user = |kind, name: &str| User {
            kind,
            name: name.into(),
        };
        let users = Users::new(2);
        let (a, other) = (user("basic", "a"), user("bearer", "a"));
        assert_eq!([users.enter(&a), users.enter(&a)], [Ok(true), Ok(true)]);
        assert_eq!(users.enter(&a), Err(RefuseReason::ClientsPerUser));
        assert_eq!(users.enter(&other), Ok(true), "another kind is another user");
        users.leave(&a);
        assert_eq!(users.enter(&a), Ok(true));
        for user in [&a, &a, &other] {
            users.leave(user);
        }
        assert!(users.lock().is_empty(), "nothing is kept of users that have left");
        assert_eq!(Users::new(0).enter(&a), Ok(false));
    }
}
