//! Listening sockets that another process has bound: the one before, or the service manager.

use crate::config::Listen;
use crate::net::Listener;
use serde::{Deserialize, Serialize};
use std::io;
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
    /// Whatever is configured at its address: the service manager does not know more.
    Any,
}

/// A listening socket, as it is described beside its descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::relay) struct CarriedListener {
    pub(super) role: Role,
    /// Its address as configured: the port may be one that the system was to choose.
    pub(super) configured: String,
    /// Its address; nothing for a Unix socket.
    pub(super) bound: Option<String>,
    /// The service manager has made it, and keeps it.
    pub(super) is_managers: bool,
}

/// A listening socket that is to be used in place of one that would be bound.
#[derive(Debug)]
pub(in crate::relay) struct InheritedSocket {
    pub(in crate::relay) descriptor: OwnedFd,
    is_managers: bool,
}

impl Role {
    fn is_for(self, wanted: Role) -> bool {
        self == wanted || (self == Role::Any && wanted != Role::Control)
    }
}

impl InheritedSocket {
    /// As a listener at its address.
    pub(in crate::relay) fn listener(self, address: &Listen) -> io::Result<Listener> {
        let listener = Listener::inherit(self.descriptor, address)?;
        Ok(match self.is_managers {
            true => listener.of_manager(),
            false => listener,
        })
    }
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

    /// Those of the service manager, each with its address.
    pub(in crate::relay) fn of_manager(sockets: impl IntoIterator<Item = (Listen, OwnedFd)>) -> Self {
        Self::new(sockets.into_iter().map(|(address, descriptor)| {
            let carried = CarriedListener {
                role: Role::Any,
                configured: address.to_string(),
                bound: None,
                is_managers: true,
            };
            (carried, descriptor)
        }))
    }

    /// The one that is for this, at this address.
    pub(in crate::relay) fn take(&mut self, role: Role, address: &Listen) -> Option<InheritedSocket> {
        let wanted = address.to_string();
        let by = |is_it: &dyn Fn(&CarriedListener) -> bool| {
            let mut left = self.left.iter();
            left.position(|(_, carried, _)| carried.role.is_for(role) && is_it(carried))
        };
        let at = by(&|carried| carried.configured == wanted);
        let at = at.or_else(|| by(&|carried| carried.bound.as_ref() == Some(&wanted)))?;
        let (number, carried, descriptor) = self.left.remove(at);
        self.taken.push(number);
        Some(InheritedSocket {
            descriptor,
            is_managers: carried.is_managers,
        })
    }

    /// The addresses of those that were not taken.
    pub(in crate::relay) fn left(&self) -> impl Iterator<Item = &str> {
        self.left.iter().map(|(_, carried, _)| &*carried.configured)
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
                is_managers: false,
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

    #[test]
    fn a_socket_of_the_service_manager_is_for_what_is_configured_at_its_address() {
        let address = |text: &str| parse_listen(text).expect("an address");
        let sockets = [
            "127.0.0.1:4711",
            "127.0.0.1:4712",
            "unix:/run/a.sock",
            "unix:/run/b.sock",
        ];
        let mut inherited = Inherited::of_manager(sockets.map(|text| {
            let (descriptor, _) = UnixStream::pair().expect("a pair of sockets");
            (address(text), OwnedFd::from(descriptor))
        }));
        assert!(inherited.take(Role::Admin, &address("127.0.0.1:4711")).is_some());
        assert!(inherited.take(Role::Clients, &address("127.0.0.1:4712")).is_some());
        assert!(inherited.take(Role::Control, &address("unix:/run/a.sock")).is_none());
        assert!(inherited.take(Role::Clients, &address("unix:/run/a.sock")).is_some());
        assert_eq!(inherited.left().collect::<Vec<_>>(), ["unix:/run/b.sock"]);
    }
}
