//! Listening sockets that another process has bound: the one before, or the service manager.

use crate::config::Listen;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

/// What a listening socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::relay) enum Role {
    /// Clients connect there.
    Clients,
    /// The admin.
    Admin,
    /// The next hand-over.
    Control,
}

/// A listening socket, as it is described beside its descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::relay) struct CarriedListener {
    pub(super) role: Role,
    /// Its address as configured: the port may be one that the system was to choose.
    pub(super) configured: String,
    /// Its address; nothing for a Unix socket.
    pub(super) bound: Option<String>,
}

/// Those that nobody has taken yet.
#[derive(Debug, Default)]
pub(in crate::relay) struct Inherited {
    left: Vec<(u32, CarriedListener, OwnedFd)>,
    taken: Vec<u32>,
}

impl Inherited {
    pub(super) fn new(sockets: impl IntoIterator<Item = (CarriedListener, OwnedFd)>) -> Self {
        let numbered = (0..).zip(sockets);
        Self {
            left: numbered
                .map(|(n, (carried, descriptor))| (n, carried, descriptor))
                .collect(),
            taken: Vec::new(),
        }
    }

    /// The one that is for this, at this address.
    pub(in crate::relay) fn take(&mut self, role: Role, address: &Listen) -> Option<OwnedFd> {
        let wanted = address.to_string();
        let by = |is_it: &dyn Fn(&CarriedListener) -> bool| {
            let mut left = self.left.iter();
            left.position(|(_, carried, _)| carried.role == role && is_it(carried))
        };
        let at = by(&|carried| carried.configured == wanted);
        let at = at.or_else(|| by(&|carried| carried.bound.as_ref() == Some(&wanted)))?;
        let (number, _, descriptor) = self.left.remove(at);
        self.taken.push(number);
        Some(descriptor)
    }

    /// The places of those that were taken, in the order in which they came.
    pub(super) fn taken(&self) -> &[u32] {
        &self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_listen;
    use std::os::unix::net::UnixStream;

    #[test]
    fn sockets_are_found_by_what_is_configured_and_by_where_they_are() {
        let socket = |role, configured: &str, bound: Option<&str>| {
            let (descriptor, _) = UnixStream::pair().expect("a pair of sockets");
            let carried = CarriedListener {
                role,
                configured: configured.to_owned(),
                bound: bound.map(str::to_owned),
            };
            (carried, OwnedFd::from(descriptor))
        };
        let mut inherited = Inherited::new([
            socket(Role::Clients, "127.0.0.1:0", Some("127.0.0.1:4711")),
            socket(Role::Clients, "127.0.0.1:0", Some("127.0.0.1:4712")),
            socket(Role::Clients, "unix:/run/a.sock", None),
            socket(Role::Admin, "127.0.0.1:0", Some("127.0.0.1:4713")),
        ]);
        let mut take = |role, address| {
            let listen = parse_listen(address).expect("an address");
            inherited.take(role, &listen).is_some()
        };
        assert!(take(Role::Clients, "127.0.0.1:4712"), "by where it is");
        assert!(take(Role::Clients, "127.0.0.1:0"), "by what is configured");
        assert!(!take(Role::Clients, "127.0.0.1:0"), "each once");
        assert!(!take(Role::Clients, "127.0.0.1:4713"), "the admin's");
        assert!(take(Role::Clients, "unix:/run/a.sock"));
        assert!(!take(Role::Control, "127.0.0.1:0"));
        assert_eq!(inherited.taken(), [1, 0, 2]);
    }
}
